// Command example is a filter to start from: it finds ticket numbers such as TCK-12345 and reports them as kind `ticket`.
//
// Configuration: {"prefix": "TCK"}, 1 to 8 capital letters. The contract is filters/abi.
package main

import (
	"errors"
	"strings"

	"github.com/sluicegate/sluice/filters/sdk/go"
)

const (
	maxPrefix = 8
	maxDigits = 12
	longest   = maxPrefix + 1 + maxDigits
)

var prefix = "TCK"

func init() {
	sluice.Register(sluice.Filter{Request: true, Answer: true, Config: configure, Text: find, Inert: inert})
}

func main() {}

func configure(text []byte) error {
	j, key := sluice.ReadJSON(text), ""
	for j.Object(); j.Member(&key); {
		if key != "prefix" {
			return errors.New("an unknown key: want prefix")
		}
		prefix = j.String(maxPrefix)
	}
	if err := j.End(); err != nil {
		return err
	}
	if prefix == "" || strings.Trim(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return errors.New("prefix: 1 to 8 capital letters are expected")
	}
	return nil
}

// find reports every ticket. A word that reaches the end of the window may go on in the next one: it is held back, unless
// it is longer than any ticket. What is held back, or was let go, comes again in the next window.
func find(t *sluice.Text) {
	text, at := t.Bytes(), t.Left()
	for at < len(text) {
		end := at
		for end < len(text) && part(text[end]) {
			end++
		}
		if end == len(text) && !t.End() && end-at <= longest {
			break
		}
		if isTicket(text[at:end]) && (at == 0 || !part(text[at-1])) {
			t.Redact(at, end, "ticket")
		}
		for end < len(text) && !part(text[end]) {
			end++
		}
		at = end
	}
	t.Settle(at)
}

// part tells whether a byte may stand in a ticket, or go on a word.
func part(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

func isTicket(word []byte) bool {
	n := len(prefix)
	if len(word) < n+2 || len(word) > n+1+maxDigits || string(word[:n]) != prefix || word[n] != '-' {
		return false
	}
	for _, c := range word[n+1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// inert: a byte that stands in no ticket ends none and begins none.
func inert(c byte) bool {
	return c != '-' && (c < '0' || c > '9') && strings.IndexByte(prefix, c) < 0
}
