package policy

import (
	"bytes"
	"errors"
	"strings"
)

// The evaluator computes with numbers of any size, and nothing stops it in between: of 1e999999999, which is a few bytes
// in a request, a comparison alone takes minutes. So a policy is not asked about numbers that are beyond those of any use: of
// more than 400 digits, or with an exponent beyond 400, where a float64 ends at 308.
const (
	maxDigits   = 400
	maxExponent = "400"
)

var errNumber = errors.New("the request has a number beyond 1e400 or of over 400 digits, about which no policy is asked")

// beyond tells whether a number's literal is out of these bounds.
func beyond(literal string) bool {
	if len(literal) > maxDigits {
		return true
	}
	i := strings.IndexAny(literal, "eE")
	if i < 0 {
		return false
	}
	exponent := strings.TrimLeft(literal[i+1:], "+-0")
	return len(exponent) > len(maxExponent) || len(exponent) == len(maxExponent) && exponent > maxExponent
}

// hasBeyond tells whether a JSON text has such a number anywhere.
func hasBeyond(text []byte) bool {
	for len(text) > 0 {
		switch c := text[0]; {
		case c == '"':
			text = afterString(text[1:])
		case c == '-' || c >= '0' && c <= '9':
			end := bytes.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("+-.eE0123456789", r) })
			if end < 0 {
				end = len(text)
			}
			if beyond(string(text[:end])) {
				return true
			}
			text = text[end:]
		default:
			text = text[1:]
		}
	}
	return false
}

// afterString is what comes after a string whose quote was read.
func afterString(text []byte) []byte {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[i+1:]
		}
	}
	return nil
}
