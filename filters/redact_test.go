package filters_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRedactTry(t *testing.T) {
	h := newHost(t, builtin(t, "redact"))
	for _, s := range []string{
		"Write to ana@example.com about card 4111 1111 1111 1111",
		"foo@bar.baz@qux.org", "mail josé@exämple.de or 用户@例子.公司。 请联系ana@example.com谢谢",
		"ssn 123-45-6789, ID-123-45-6789", "call (212) 555-0147 or +44 20 7946 0958 or 020 7946 0958 or 01 23 45 67 89.",
		"IBAN DE89 3704 0044 0532 0130 00 and GB82WEST12345698765432.",
		"from 192.168.1.10:80, fe80::1ff:fe23:4567:890a, 2001:db8::1. version 1.2.3.4 std::vector 12:34:56",
		"AKIAIOSFODNN7EXAMPLE ghp_16C7e42F292c6912E7710c838347Ae178B4a sk-proj-abcDEF1234567890abcDEF1234567890",
		"api_key = 8f3kQ29dkLmW02xPq7 and password: Tr0ub4dor&3, \"token\": \"a8Kd02mmLs93kdLq0z\"",
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U.",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MaeP\n-----END RSA PRIVATE KEY----- after",
		"４１１１ 1111 1111 1111, ana%40example.com, ana\\u0040example.com, a\u200bna@exam\u200bple.com!",
	} {
		spans, _ := h.find(s, 0)
		t.Log(mark(s, spans))
	}
}

// sprinkle makes a text of pieces that begin, end or nearly are findings.
func sprinkle(r *rand.Rand, n int) string {
	pieces := []string{
		" ", " ", "a", "b@c.de", "@", ".", "-", "4111", " 1111", "4111111111111111", "123-45-6789", "+1 212 555 0147", "(", ")",
		"10.0.0.1", "::1", "fe80:", "DE89", " 3704 0044 0532 0130 00", "password", "=", ": ", "\"", "Xy7", "kQ29dkLmW02xPq7", "sk-",
		"abcDEF1234567890abcDEF", "ghp_", "-----BEGIN", " PRIVATE KEY-----", "-----END PRIVATE KEY-----", "\n", "eyJhbGciOiJub25lIn0", ".eyJ",
		"%40", "%", "\\u0040", "\\u", "\\", "\\n", "\u200b", "\uff14", "é", "用", "。", "x", "tel ", "0", "20 7946 0958", "com", "/", "zzzzzzzzzzzzzzzz", "Bearer ",
		"00", "AKIAIOSFODNN7EXAMPLE", "token", strings.Repeat("Ab0", 40), strings.Repeat("q", 50),
	}
	var b strings.Builder
	for range n {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

func TestRedactSplits(t *testing.T) {
	h := newHost(t, builtin(t, "redact"))
	r := rand.New(rand.NewPCG(1, 2))
	most := 0
	for i := range 3000 {
		text := sprinkle(r, 1+r.IntN(30))
		flags := uint32(i%2) * arguments
		want, _ := h.find(text, flags)
		check := func(cuts ...int) {
			got, held := h.find(text, flags, cuts...)
			most = max(most, held)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("text %q flags %d cuts %v:\ngot  %s\nwant %s", text, flags, cuts, mark(text, got), mark(text, want))
			}
		}
		var all []int
		for cut := range len(text) {
			if utf8.RuneStart(text[cut]) {
				check(cut)
				all = append(all, cut)
			}
		}
		check(all...)
	}
	t.Log("held back at most", most)
}
