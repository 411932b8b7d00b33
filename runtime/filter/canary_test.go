package filter

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// versions are a filter that does nothing to text and one of the same name that fails on every call.
func versions(t *testing.T, e *Engine) (was, trapping *Filter) {
	t.Helper()
	s := Spec{Name: "v", Version: "1.0.0", Module: minimal().bytes(), Request: true}
	was = loadWith(t, e, s)
	s.Version = "2.0.0"
	// Its warm-up texts are long or end in a blank; at any other byte it traps.
	s.Module = new(asm).memory().fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", i32(16)...).
		fn("on_text", "iiiI:I", 0x20, 0, 0x20, 1, 0x6a, 0x41, 1, 0x6b, 0x2d, 0, 0, 0x41, '!', 0x46, 0x04, 0x40, 0x00, 0x0b, 0x20, 1, 0xad).bytes()
	return was, loadWith(t, e, s)
}

// who is a request of one principal.
func who(t *testing.T, id, text string) *exchange.Exchange {
	t.Helper()
	x := ask(t, "red", text)
	x.Principal.ID = id
	return x
}

// A share of the principals gets the new version, each the same one always; records and cache keys tell them apart.
func TestCanaryShare(t *testing.T) {
	e := engine(t, Options{})
	was, now := versions(t, e)
	k := NewCanary(now, CanaryOptions{Share: 25})
	c := NewChainOf(Link{Filter: was, Canary: k})
	plain, keys, got := NewChain(was), map[string]string{}, 0
	for n := range 1000 {
		id := fmt.Sprint("key:", n)
		versions := map[string]bool{}
		for range 2 {
			x := who(t, id, "hi")
			p, err := c.Begin(x, nil)
			if err != nil || p.Request(context.Background()) != nil {
				t.Fatal(err)
			}
			v := x.Filters[0].Version
			versions[v] = true
			keys[v] = p.CacheKey()
			p.Close()
		}
		if len(versions) != 1 {
			t.Fatalf("%s got both versions", id)
		}
		if versions["2.0.0"] {
			got++
		}
	}
	if got < 200 || got > 300 {
		t.Errorf("%d of 1000 principals got a share of 25 %%", got)
	}
	if keys["1.0.0"] == keys["2.0.0"] || keys["1.0.0"] != plain.key {
		t.Errorf("cache keys %v, without a canary %s", keys, plain.key)
	}
	if calls, failures := k.Counts(); calls == 0 || failures != 0 {
		t.Errorf("%d calls, %d failures", calls, failures)
	}
	x := ask(t, "red", "hi")
	x.Principal = nil
	if p, err := c.Begin(x, nil); err != nil || p.varied {
		t.Error("who is not known got the new version")
	}
	if portion("a", "f") == portion("a", "g") && portion("b", "f") == portion("b", "g") && portion("c", "f") == portion("c", "g") {
		t.Error("two filters divide the principals alike")
	}
}

// Too many failures switch a canary off at once; one exchange counts once, and everybody is back on the old version.
func TestCanaryTrips(t *testing.T) {
	e := engine(t, Options{})
	was, now := versions(t, e)
	f := func(o CanaryOptions, good, wantBad int) {
		t.Helper()
		tripped := 0
		o.Share, o.Tripped = 100, func() { tripped++ }
		k := NewCanary(now, o)
		c := NewChainOf(Link{Filter: was, Canary: k})
		send := func(text string) error {
			p, err := c.Begin(who(t, "key:a", text), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			return p.Request(context.Background())
		}
		for range good {
			if err := send("fine"); err != nil {
				t.Fatal(err)
			}
		}
		bad := 0
		for ; !k.Off() && bad < 1000; bad++ {
			if err := send("boom!"); code(err) != "filter_failed" {
				t.Fatal(err)
			}
		}
		if bad != wantBad || tripped != 1 {
			t.Errorf("%+v: off after %d failures, told %d times, want %d and once", o, bad, tripped, wantBad)
		}
		if err := send("boom!"); err != nil {
			t.Errorf("the version before: %v", err)
		}
	}
	f(CanaryOptions{}, 5, 1)
	f(CanaryOptions{MaxFailures: 1, MinCalls: 100}, 0, 2)    // 2 of 100
	f(CanaryOptions{MaxFailures: 10, MinCalls: 20}, 0, 3)    // 3 of 20
	f(CanaryOptions{MaxFailures: 10, MinCalls: 20}, 100, 12) // 12 of 112
	f(CanaryOptions{MaxFailures: 50, MinCalls: 4}, 79, 40)   // 80 exchanges on, the count is halved to 40 and 0
}

// What a caller does to an exchange is no failure of the filter.
func TestCanaryCancelled(t *testing.T) {
	e := engine(t, Options{})
	was, now := versions(t, e)
	k := NewCanary(now, CanaryOptions{Share: 100})
	p, err := NewChainOf(Link{Filter: was, Canary: k}).Begin(who(t, "key:a", "boom!"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Request(ctx); err == nil || k.Off() {
		t.Errorf("%v, off %t", err, k.Off())
	}
	k.SwitchOff()
	if q, _ := NewChainOf(Link{Filter: was, Canary: k}).Begin(who(t, "key:a", "x"), nil); q.varied || !strings.HasPrefix(q.runs[0].f.Version(), "1.") {
		t.Error("a canary that is off is served")
	}
}
