package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// pseudonymBytes is how much of the HMAC stands in a pseudonym: 80 bits, so that
// two of a million million values agree with odds of one in two.
const pseudonymBytes = 10

// Mask appends to dst what stands for value where it may never be restored:
// "***". A card or IBAN keeps its last four digits or letters behind it, as on a
// receipt. It tells nothing of the value's length.
func Mask(dst []byte, kind string, value []byte) []byte {
	dst = append(dst, "***"...)
	if kind != "card" && kind != "iban" {
		return dst
	}
	var last [4]byte
	n := 0
	for _, b := range value {
		if isAlnum(b) {
			last[0], last[1], last[2], last[3] = last[1], last[2], last[3], b
			n++
		}
	}
	if n < 12 { // the shortest card; the four would be too much of anything less
		return dst
	}
	return append(dst, last[:]...)
}

// HMAC appends to dst a keyed pseudonym such as [EMAIL:1f8a0c...], 20 hex digits
// of HMAC-SHA256 (RFC 2104): equal values of a kind give equal pseudonyms under
// one key, and nothing can be read from them without it. It is not in token
// grammar.
func HMAC(dst, key []byte, kind string, value []byte) []byte {
	dst = appendKind(append(dst, '['), kind)
	mac := hmac.New(sha256.New, key)
	mac.Write(appendKind(nil, kind))
	mac.Write([]byte{0}) // ends the kind: it holds no zero byte
	mac.Write(value)
	var sum [sha256.Size]byte
	dst = hex.AppendEncode(append(dst, ':'), mac.Sum(sum[:0])[:pseudonymBytes])
	return append(dst, ']')
}
