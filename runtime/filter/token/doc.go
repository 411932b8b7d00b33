// Package token renders what a filter found in a text, and puts it back: tokens
// such as [EMAIL_1] that stand for a caller's value while a model sees the text,
// masks and keyed pseudonyms that stand for it for good, and the restorer that
// gives the caller its own values again. It is pure text and knows neither
// filters nor exchanges.
//
// # Tokens
//
// A token is "[", a kind in upper case (letters, digits, "_", a letter first, at
// most 32 bytes), "_", a number from 1 without leading zeros, "]". A Table
// belongs to one exchange. It numbers the values of each kind in order of their
// first appearance, so equal prompts give equal texts, and gives an equal value
// of the same kind the same token.
//
// What a client wrote in this grammar itself must be replaced by a token of kind
// Literal before the table's first other token enters the same text; see
// FindLiterals. Then every token in an answer is either the table's or plain
// text, and the literal comes back as it was.
//
// # Restoring
//
// A Restorer replaces the table's tokens in one lane of text (one field of one
// choice) as it streams. The result does not depend on where the text is split,
// because all of its decisions are made by a machine that reads one byte at a
// time. It holds back no more than the beginning of what may become a token, at
// most the length of the table's longest.
//
// A value is never put where reading the text would send it somewhere: inside a
// URL, the target of a markdown link or image or link definition, or an HTML
// tag. There the token stays. In doubt it stays, too: what is restored wrongly
// can't be taken back. The rules and their limits are written at type context.
package token
