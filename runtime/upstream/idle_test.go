package upstream

import (
	"bytes"
	"net/url"
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

// keeping gives an answer, and keeps the memory that was written from and read into.
type keeping struct {
	closing
	wrote, read []byte
}

func (k *keeping) Write(p []byte) (int, error) {
	k.wrote = p
	return len(p), nil
}

func (k *keeping) Read(p []byte) (int, error) {
	k.read = p
	return copy(p, "answer"), nil
}

// A text or credential does not rest in the memory of a connection that is idle, which has none, nor in what others get.
func TestIdleConnsForget(t *testing.T) {
	h := newHTTP1(&url.URL{Host: "model:80"}, TransportOptions{MaxIdle: 1})
	defer h.close()
	k := &keeping{}
	c := newConn(k)
	if err := h.write(c, &Transport{base: &url.URL{}}, &Request{Bearer: "secret"}); err != nil {
		t.Fatal(err)
	}
	if text := bytes.Trim(k.wrote, "\x00"); len(k.wrote) == 0 || len(text) > 0 {
		t.Errorf("%.200q is left of the request", text)
	}
	if err := c.fill(); err != nil || string(c.buf[:c.w]) != "answer" {
		t.Fatalf("%q, %v", c.buf[:c.w], err)
	}
	c.r = c.w
	b := http1Body{conn: c, owner: h, done: true, unwatch: func() bool { return true }}
	if err := b.Close(); err != nil || len(h.idle.conns) != 1 || c.buf != nil {
		t.Errorf("%v, %d idle, a buffer of %d", err, len(h.idle.conns), len(c.buf))
	}
	if text := bytes.Trim(k.read, "\x00"); len(k.read) == 0 || len(text) > 0 {
		t.Errorf("%.20q is left of the answer", text)
	}
}
