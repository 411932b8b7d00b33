package filters_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// secretShape is one prefix of the table in redact/SECRETS.md.
type secretShape struct {
	issuer, prefix, alphabet, needs string
	least                           int
	exact                           bool
}

var (
	secretRow  = regexp.MustCompile("(?m)^\\| ([^|]+) \\| [^|]+ \\| ([^|]+) \\| `(\\d+)(\\+?)` of `([^`]+)`(?:, (a digit|mixed))? \\|")
	codedShape = regexp.MustCompile(`\{"([^"]+)", ([A-Z]+), (\d+), ([01]), ([012])\}`)
)

func secretShapes(t *testing.T) []secretShape {
	t.Helper()
	b, err := os.ReadFile("redact/SECRETS.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []secretShape
	for _, row := range secretRow.FindAllStringSubmatch(string(b), -1) {
		least, _ := strconv.Atoi(row[3])
		for prefix := range strings.FieldsSeq(row[2]) {
			all = append(all, secretShape{row[1], strings.Trim(prefix, "`"), row[5], row[6], least, row[4] == ""})
		}
	}
	return all
}

// rest makes n characters of the shape's alphabet: digits, capitals and small letters as it has them.
func (s secretShape) rest(n int) string {
	unit := map[string]string{"A-Z0-9": "Q7", "0-9A-Fa-f": "b4"}[s.alphabet]
	if unit == "" {
		unit = "aQ7"
	}
	return strings.Repeat(unit, n)[:n]
}

// TestRedactSecrets holds the table of SECRETS.md against the filter: each prefix with what must follow is a secret; with one
// character less, behind a letter, or without what must be among the characters, it is none.
func TestRedactSecrets(t *testing.T) {
	shapes := secretShapes(t)
	if len(shapes) < 150 {
		t.Fatalf("%d prefixes were read from SECRETS.md", len(shapes))
	}
	h := newHost(t, builtin(t, "redact"))
	h.configure(`{"kinds": ["secret"]}`)
	f := func(s secretShape, value, want string) {
		t.Helper()
		text := "see " + value + ", and"
		spans, _ := h.find(text, 0)
		if got := mark(text, spans); got != "see "+want+", and" {
			t.Errorf("%s %s: got %s, want %s", s.issuer, s.prefix, got, want)
		}
	}
	for _, s := range shapes {
		secret, short := s.prefix+s.rest(s.least), s.prefix+s.rest(s.least-1)
		f(s, secret, "<secret:"+secret+">")
		f(s, "x"+secret, "x"+secret)
		if !otherShape(shapes, s, short) {
			f(s, short, short)
		}
		if long := secret + "a"; s.exact && !otherShape(shapes, s, long) {
			f(s, long, long)
		}
		if plain := s.prefix + strings.Repeat("a", s.least); s.needs == "mixed" {
			f(s, plain, plain)
		}
	}
}

// otherShape tells whether a text that one shape does not take may be taken by another that begins the same way.
func otherShape(all []secretShape, s secretShape, text string) bool {
	for _, o := range all {
		if o.prefix != s.prefix && strings.HasPrefix(text, o.prefix) {
			return true
		}
	}
	return false
}

// TestSecretsDocumented: the table and the source name the same prefixes, with the same rules.
func TestSecretsDocumented(t *testing.T) {
	b, err := os.ReadFile("redact/secret.c")
	if err != nil {
		t.Fatal(err)
	}
	alphabets := map[string]string{
		"ALNUM": "A-Za-z0-9", "HEX": "0-9A-Fa-f", "UPPER": "A-Z0-9", "WORD": "A-Za-z0-9_",
		"DASHED": "A-Za-z0-9_-", "DOTTED": "A-Za-z0-9_.-", "PATH": "A-Za-z0-9_/-",
	}
	needs := map[string]string{"0": "", "1": "a digit", "2": "mixed"}
	inCode, inTable, issuers := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, m := range codedShape.FindAllStringSubmatch(string(b), -1) {
		inCode[fmt.Sprintf("%s %s %s %v %q", m[1], alphabets[m[2]], m[3], m[4] == "1", needs[m[5]])] = true
	}
	for _, s := range secretShapes(t) {
		inTable[fmt.Sprintf("%s %s %d %v %q", s.prefix, s.alphabet, s.least, s.exact, s.needs)] = true
		issuers[s.issuer] = true
	}
	for k := range inCode {
		if !inTable[k] {
			t.Errorf("not in SECRETS.md as it is in secret.c: %s", k)
		}
	}
	for k := range inTable {
		if !inCode[k] {
			t.Errorf("not in secret.c as it is in SECRETS.md: %s", k)
		}
	}
	if len(issuers) < 60 {
		t.Errorf("%d issuers, want 60 at least", len(issuers))
	}
}

// TestKindsDocumented: each kind stands in IDENTIFIERS.md, is off by default where it says so, and is found by a vector.
func TestKindsDocumented(t *testing.T) {
	source, err := os.ReadFile("redact/classes.c")
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("redact/IDENTIFIERS.md")
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	for _, v := range vectors(t) {
		found += v.Want
	}
	kinds := regexp.MustCompile(`(KIND|RARE)\("(\w+)"\)`).FindAllStringSubmatch(string(source), -1)
	if len(kinds) < 40 {
		t.Fatalf("%d kinds were read from classes.c", len(kinds))
	}
	for _, k := range kinds {
		row := regexp.MustCompile("(?m)^\\| `" + k[2] + "` .*").FindString(string(table))
		if row == "" || strings.Contains(row, "| off ") != (k[1] == "RARE") {
			t.Errorf("%s in IDENTIFIERS.md: %q", k[2], row)
		}
		if !strings.Contains(found, "<"+k[2]+":") {
			t.Errorf("no vector finds %s", k[2])
		}
	}
}
