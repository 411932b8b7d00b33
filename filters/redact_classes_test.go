package filters_test

import (
	"context"
	"math/rand/v2"
	"reflect"
	"testing"
	"unicode/utf8"
)

// inert reads the table of byte classes as a host does, after the configuration.
func (h *host) inert() [256]bool {
	h.t.Helper()
	p, err := h.module.ExportedFunction("byte_classes").Call(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	var table [256]bool
	for i, class := range []byte(h.bytes(uint32(p[0]), 256)) {
		table[i] = class == 0
	}
	return table
}

// skimmed shows the text in parts, and settles a part without a call where the byte classes say that it may be. It gives the
// spans and how many parts were settled so.
func (h *host) skimmed(text string, inert [256]bool, cuts []int) (spans []span, skipped int) {
	h.t.Helper()
	h.spans, h.state, h.open = nil, 0, false
	settled, from := 0, 0
	for _, cut := range append(cuts, len(text)) {
		calm := settled == from && !h.open && h.state == 0
		for i := from; i < cut && calm; i++ {
			calm = inert[text[i]]
		}
		if calm && cut < len(text) {
			settled = cut
			skipped++
		} else {
			settled = h.window(text, settled, cut, 0, cut == len(text))
		}
		from = cut
	}
	return h.spans, skipped
}

// TestRedactByteClasses: parts of inert bytes alone, where nothing is held back, need no call: the findings are the same.
func TestRedactByteClasses(t *testing.T) {
	skipped := 0
	for seed, config := range []string{"{}", `{"words": [{"kind": "word", "words": ["<b>", "; x"]}], "patterns": [{"kind": "pat", "pattern": "\\[[0-9]+\\]"}]}`} {
		h := newHost(t, builtin(t, "redact"))
		h.configure(config)
		inert := h.inert()
		for _, c := range []byte("aZ09@.-+(=_%\\:/\x80") {
			if inert[c] {
				t.Errorf("%q is inert", c)
			}
		}
		r := rand.New(rand.NewPCG(uint64(seed), 9))
		for range 400 {
			text := ""
			for range 1 + r.IntN(12) {
				text += []string{" ", "\n\n", ", ", "<b>", "; ", "[12]", "]", "\"", "|"}[r.IntN(9)] + pieces[r.IntN(len(pieces))]
			}
			var cuts []int
			for cut := range text {
				if cut > 0 && (r.IntN(3) == 0 || inert[text[cut]] != inert[text[cut-1]]) && utf8.RuneStart(text[cut]) {
					cuts = append(cuts, cut)
				}
			}
			want, _ := h.find(text, 0)
			got, n := h.skimmed(text, inert, cuts)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("text %q cuts %d:\ngot  %s\nwant %s", text, cuts, mark(text, got), mark(text, want))
			}
			skipped += n
		}
	}
	if skipped < 100 {
		t.Errorf("only %d parts needed no call", skipped)
	}
}
