package pipeline

import (
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// A Mint without a key has one of its own, whichever way none is given: nobody else can make its ids.
func TestMintWithoutKey(t *testing.T) {
	who, at := &exchange.Principal{Tenant: "red", ID: "a"}, place{"model-a", "one"}
	seen := map[string]bool{}
	for range 2 {
		for _, m := range []*Mint{NewMint(), NewMint(nil), NewMint([]byte{}), NewMint(nil, []byte{})} {
			if id := m.give("response", who, at, "resp_1"); seen[id] {
				t.Error("two of them make the same id")
			} else {
				seen[id] = true
			}
			if known := (mintKey{}).proof("response", who, at, "resp_1"); hmac.Equal(known, m.keys[0].proof("response", who, at, "resp_1")) {
				t.Error("its key is known")
			}
			if len(m.keys) != 1 || len(m.keys[0]) != sha256.Size {
				t.Errorf("%d keys, the first of %d bytes", len(m.keys), len(m.keys[0]))
			}
		}
	}
	if m := NewMint([]byte("old"), nil, []byte("new")); len(m.keys) != 2 {
		t.Errorf("%d keys of two", len(m.keys))
	}
}
