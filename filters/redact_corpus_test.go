package filters_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// corpus writes clean text from a seed: what requests and answers are full of and what looks like identifiers without being
// any. Each of its lines comes from one of the functions in cleanLines.
type corpus struct{ *rand.Rand }

func (c corpus) digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + c.IntN(10))
	}
	return string(b)
}

func (c corpus) of(words ...string) string { return words[c.IntN(len(words))] }

func (c corpus) hash() string {
	sum := sha256.Sum256([]byte(c.digits(12)))
	return hex.EncodeToString(sum[:])
}

func (c corpus) day() string {
	return fmt.Sprintf("%d-%02d-%02d", 1970+c.IntN(70), 1+c.IntN(12), 1+c.IntN(28))
}

func (c corpus) clock() string {
	return fmt.Sprintf("%02d:%02d:%02d", c.IntN(24), c.IntN(60), c.IntN(60))
}

func (c corpus) uuid() string {
	h := c.hash()
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:32]
}

func (c corpus) version() string {
	return fmt.Sprintf("%d.%d.%d", c.IntN(30), c.IntN(40), c.IntN(200))
}

func (c corpus) sentence() string {
	words := strings.Fields("the a report cluster planned demand for inference grows and two teams share one figure before Friday while the model " +
		"answers in seconds because nobody asked it to do more than that although we measured twice, which is rare enough; still it holds")
	var b strings.Builder
	for range 6 + c.IntN(14) {
		b.WriteString(words[c.IntN(len(words))] + " ")
	}
	return strings.TrimSpace(b.String()) + "."
}

// cleanLines are the sorts of text in the corpus, by name, so that a false finding says where it comes from.
var cleanLines = map[string]func(corpus) string{
	"prose": corpus.sentence,
	"order": func(c corpus) string {
		return fmt.Sprintf("Order %s was shipped as parcel %s, invoice %s/%s, customer no. %s.", c.digits(6+c.IntN(8)), c.digits(10), c.digits(4), c.digits(6), c.digits(8))
	},
	"log": func(c corpus) string {
		return fmt.Sprintf("%sT%s.%sZ %s [worker-%d] id=%s took %d.%s ms, status=%d bytes=%s", c.day(), c.clock(), c.digits(3), c.of("INFO", "WARN", "DEBUG"),
			c.IntN(64), c.hash()[:12], c.IntN(900), c.digits(2), 200+c.IntN(300), c.digits(1+c.IntN(7)))
	},
	"time": func(c corpus) string {
		return fmt.Sprintf("ts=17%s at %s %s (+0%d:00), window %s/%s, week %d", c.digits(11), c.day(), c.clock(), c.IntN(10), c.day(), c.day(), c.IntN(52))
	},
	"hash": func(c corpus) string {
		return fmt.Sprintf("commit %s, sha256:%s, etag \"%s\", %s", c.hash()[:40], c.hash(), c.hash()[:32], c.uuid())
	},
	"release": func(c corpus) string {
		return fmt.Sprintf("upgraded go from v%s to %s-rc.%d+build.%s, kernel %s-%d-amd64, see release %s", c.version(), c.version(), c.IntN(9), c.digits(4), c.version(), c.IntN(30), c.version())
	},
	"price": func(c corpus) string {
		return fmt.Sprintf("total $%s.%s, EUR %s,%s, %s.%s %%, %s x %s mm, 1e%d", c.digits(5), c.digits(2), c.digits(3), c.digits(2), c.digits(2), c.digits(4), c.digits(3), c.digits(3), c.IntN(300))
	},
	"go": func(c corpus) string {
		return fmt.Sprintf("\tif x[%d] != 0x%s { return fmt.Errorf(\"row %%d: %%w\", %s, err) } // see handlerForRequest_%s", c.IntN(4096), c.hash()[:8], c.digits(9), c.digits(3))
	},
	"json": func(c corpus) string {
		return fmt.Sprintf(`{"id": %s, "parent": "%s", "count": %s, "ratio": 0.%s, "tags": ["a-%s", "b_%s"], "at": "%sT%sZ"}`, c.digits(11), c.uuid(), c.digits(5), c.digits(9), c.digits(4), c.digits(4), c.day(), c.clock())
	},
	"path": func(c corpus) string {
		return fmt.Sprintf("https://example.org/docs/%s/guides/getting-started-with-streams#part-%d /usr/local/share/doc/pkg-%s/README.md", c.day(), c.IntN(20), c.version())
	},
	"table": func(c corpus) string {
		return fmt.Sprintf("| %s | %s | %s | %s.%s | %s |", c.digits(4), c.digits(9), c.digits(10), c.digits(3), c.digits(2), c.digits(12))
	},
	"part": func(c corpus) string {
		return fmt.Sprintf("part no. %s-%s-%s, SKU %s%s, isbn 978-%s-%s-%s-%s, lot %s/%s", c.of("AX", "ZT", "KL"), c.digits(4), c.digits(2), c.of("AB", "CD", "EF"), c.digits(7),
			c.digits(1), c.digits(4), c.digits(4), c.digits(1), c.digits(6), c.digits(4))
	},
	"base64": func(c corpus) string {
		b := make([]byte, 90)
		for i := range b {
			b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[c.IntN(64)]
		}
		return "data:image/png;base64," + string(b) + "=="
	},
	"name": func(c corpus) string {
		return fmt.Sprintf("max_tokens: %s, token_count=%s, api_key: ${API_KEY}, password = getpass(), secret_name=prod-db-%d, key %s", c.digits(4), c.digits(6), c.IntN(9), c.of("ctrl-c", "F12"))
	},
	"math": func(c corpus) string {
		return fmt.Sprintf("%d + %d = %d, %s*%s, -%s.%s, 5e-%d, %d:%d, (%s) %s-%s", c.IntN(99), c.IntN(99), c.IntN(999), c.digits(3), c.digits(4), c.digits(2), c.digits(6), c.IntN(9), c.IntN(99), c.IntN(99), c.digits(2), c.digits(3), c.digits(3))
	},
}

// falsePerMiB is what the README states: as many false findings in a MiB of the corpus at most.
const falsePerMiB = 6

// TestRedactPrecision: in text without identifiers the usual kinds find next to nothing.
func TestRedactPrecision(t *testing.T) {
	h := newHost(t, builtin(t, "redact"))
	c := corpus{rand.New(rand.NewPCG(11, 26))}
	names := slices.Sorted(maps.Keys(cleanLines))
	size, found := 0, map[string]int{}
	for size < 1<<20 {
		name := names[c.IntN(len(names))]
		line := cleanLines[name](c)
		size += len(line) + 1
		spans, _ := h.find(line, 0)
		for _, s := range spans {
			found[name+": "+s.Kind]++
			t.Logf("%s: %s", name, mark(line, spans))
		}
	}
	total := 0
	for _, n := range found {
		total += n
	}
	if total > falsePerMiB {
		t.Errorf("%d false findings in %d bytes, want at most %d: %v", total, size, falsePerMiB, found)
	}
}

// TestRedactLongNumbers: of numbers that nobody made, those of a card's length that begin as an issuer's and pass Luhn's check
// are taken for cards, which nothing in them can tell apart; all others are left alone.
func TestRedactLongNumbers(t *testing.T) {
	h := newHost(t, builtin(t, "redact"))
	c := corpus{rand.New(rand.NewPCG(3, 5))}
	cards := 0
	for i := range 20000 {
		text := "the value " + c.digits(6+i%16) + " here"
		spans, _ := h.find(text, 0)
		for _, s := range spans {
			if s.Kind != "card" || i%16 < 8 {
				t.Errorf("%s", mark(text, spans))
			}
			cards++
		}
	}
	if cards > 20000/100 {
		t.Errorf("%d of 20000 numbers are cards", cards)
	}
	t.Logf("%d of 20000 numbers are cards", cards)
}
