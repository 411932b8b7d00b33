package filter

import (
	"slices"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire"
)

// What filters see follows the hooks they have, what they are declared to be, and what the others of their chain need.
func TestSights(t *testing.T) {
	e := engine(t, Options{})
	s := words(t)
	text := loadWith(t, e, s)
	s.Name, s.Optional = "optional", true
	optional := loadWith(t, e, s)
	s = words(t)
	s.Name, s.Answer = "requests", false
	requests := loadWith(t, e, s)
	h := hostile(t)
	buffers := loadWith(t, e, h)
	h.Name, h.Whole = "refuses", WholeRefuse
	refuses := loadWith(t, e, h)
	f := func(n wire.Nature, answer, stream bool, chain *Chain, want ...Sight) {
		t.Helper()
		if got := chain.Sights(wire.Shape{Nature: n, Answer: answer}, stream); !slices.Equal(got, want) {
			t.Errorf("%s, answer %v, stream %v: %q, want %q", n, answer, stream, got, want)
		}
	}
	c := NewChain(text, optional, requests)
	f(wire.Text, false, false, c, Sees, Sees, Sees)
	f(wire.Key, false, false, c, Sees, Sees, Sees)
	f(wire.Opaque, false, false, c, Refused, Blind, Refused)
	f(wire.Banned, false, false, c, Refused, Refused, Refused)
	f(wire.Ident, false, false, c, Blind, Blind, Blind)
	f(wire.Arguments, true, false, c, Sees, Sees, Blind)
	f(wire.Text, true, true, c, Sees, Sees, Blind)
	f(wire.Copied, true, true, c, Dropped, Dropped, Blind)
	f(wire.Own, true, true, c, Blind, Blind, Blind)
	c = NewChain(text, buffers, requests)
	f(wire.Word, false, false, c, Blind, Reads, Blind)
	f(wire.Text, true, false, c, Sees, Sees, Blind)
	f(wire.Text, true, true, c, Buffered, Buffered, Blind)
	f(wire.Own, true, false, c, Blind, Reads, Blind)
	f(wire.Own, true, true, c, Blind, Buffered, Blind)
	c = NewChain(text, refuses)
	f(wire.Text, true, false, c, Sees, Sees)
	f(wire.Text, true, true, c, Sees, Refused)
}
