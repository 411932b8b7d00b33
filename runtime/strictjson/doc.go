// Package strictjson is the only door to JSON: what is judged inside the gateway is exactly what leaves it.
//
// It has two doors.
//
// Parse is the strict one, for requests. It reads a body once into a compact index of byte offsets and refuses all
// that two parsers could read differently: duplicate keys (compared after unescaping, in every object), numbers and
// strings outside RFC 8259's grammar, bytes that are not UTF-8, halves of surrogate pairs, and anything over the
// limits of depth and size. Strings are edited by spans of their decoded text, objects and arrays by member. Render
// writes the result, and every byte that no edit touched leaves as it came.
//
// ReadReply is the lenient one, for what model servers answer. It takes some ugliness (leading zeros, NaN, raw
// control characters, unknown escapes, bytes that are not UTF-8), reads each in one defined way, and always emits
// valid JSON that says what was read. It never passes an ambiguity on: duplicate keys are an error here too.
//
// Spelling variants of a key ("Model" for "model") are no error at either door, since only the caller knows which
// keys it interprets: FoldEqual finds them.
//
// Nothing in this package is safe for concurrent use on one document. Docs and Replies are pooled: after Release
// neither they nor anything they gave out may be touched.
package strictjson
