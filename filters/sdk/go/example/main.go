// Command example is a filter to start from: it finds ticket numbers such as TCK-12345 and reports them as kind `ticket`.
//
// Build it with the stock toolchain:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o ticket.wasm ./filters/sdk/go/example
package main

import (
	"encoding/json"
	"errors"

	sluice "github.com/sluicegate/sluice/filters/sdk/go"
)

// config is the filter's configuration.
type config struct {
	Prefix string `json:"prefix"` // capital letters in front of the hyphen
}

const (
	maxPrefix = 8
	maxDigits = 12
)

var settings = config{Prefix: "TCK"}

func init() {
	sluice.Register(sluice.Filter{Request: true, Answer: true, Config: configure, Text: find})
}

func main() {}

func configure(text []byte) error {
	if err := json.Unmarshal(text, &settings); err != nil {
		return errors.New("ticket: the configuration is not JSON of the form {\"prefix\": \"TCK\"}")
	}
	if settings.Prefix == "" || len(settings.Prefix) > maxPrefix {
		return errors.New("ticket: prefix: 1 to 8 characters are expected")
	}
	return nil
}

// find reports every ticket. A run of characters that a ticket may consist of and that reaches the end of the window could still
// grow: it is held back. A longer run than any ticket is let go, but for its tail.
func find(t *sluice.Text) {
	text, at := t.Bytes(), t.Left()
	for at < len(text) {
		end := at
		for end < len(text) && part(text[end]) {
			end++
		}
		if end == len(text) && !t.End() {
			break // what was before is settled
		}
		if !(at > 0 && part(text[at-1])) && isTicket(text[at:end]) {
			t.Redact(at, end, "ticket")
		}
		at = end + 1
	}
	t.Settle(holdFrom(min(at, len(text)), len(text)))
}

// holdFrom bounds what is held back: a run this long is no ticket, and what is left of it has the run in front as context.
func holdFrom(at, n int) int {
	if n-at > maxPrefix+1+maxDigits {
		return n
	}
	return at
}

// part tells whether a byte may stand in a ticket, or go on a word.
func part(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

func isTicket(word []byte) bool {
	n := len(settings.Prefix)
	if len(word) < n+2 || len(word) > n+1+maxDigits || string(word[:n]) != settings.Prefix || word[n] != '-' {
		return false
	}
	for _, c := range word[n+1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
