package upstream

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// closing is a connection that notes its end.
type closing struct {
	script
	closed atomic.Bool
}

func (c *closing) Close() error {
	c.closed.Store(true)
	return nil
}

func TestIdleConnsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := idleConns{limit: 3}
		var all []*closing
		put := func(want bool) {
			t.Helper()
			c := &closing{}
			all = append(all, c)
			if got := p.put(newConn(c), time.Now()); got != want {
				t.Errorf("connection %d: kept %v, want %v", len(all), got, want)
			}
		}
		closed := func(want ...bool) {
			t.Helper()
			synctest.Wait()
			for i, w := range want {
				if all[i].closed.Load() != w {
					t.Errorf("connection %d: closed %v, want %v", i+1, all[i].closed.Load(), w)
				}
			}
		}
		put(true)
		time.Sleep(keepIdle / 2)
		put(true)
		put(true)
		put(false) // one too many; whoever offers it closes it
		closed(false, false, false)
		time.Sleep(keepIdle / 2)
		closed(true, false, false)
		time.Sleep(keepIdle / 2)
		closed(true, true, true)
		if p.reaper != nil || len(p.conns) != 0 {
			t.Error("a timer is set for nothing")
		}
		put(true)
		p.close()
		closed(true, true, true, false, true)
		put(false)
	})
}

// A text or credential does not rest in a connection that is idle.
func TestIdleConnsForget(t *testing.T) {
	p := idleConns{limit: 1}
	defer p.close()
	c := newConn(&closing{})
	c.out = append(c.out, "Bearer secret"...)
	c.w = copy(c.buf, "answer")
	out := c.out
	p.put(c, time.Now())
	for _, b := range append(out[:len(out):len(out)], c.buf...) {
		if b != 0 {
			t.Fatalf("%q and %.20q are left", out, c.buf)
		}
	}
}
