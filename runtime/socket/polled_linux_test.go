package socket

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// dialled is a Polled connection and its peer.
func dialled(t testing.TB) (c net.Conn, peer *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	there, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, peer = Polled(nc), there.(*net.TCPConn)
	t.Cleanup(func() { _, _ = c.Close(), peer.Close() })
	if c.RemoteAddr().String() != peer.LocalAddr().String() || c.LocalAddr().String() != peer.RemoteAddr().String() {
		t.Error("another address")
	}
	return c, peer
}

// bothPaces runs a test with a prompt and with a paced connection.
func bothPaces(t *testing.T, f func(t *testing.T, paced bool)) {
	t.Run("prompt", func(t *testing.T) { f(t, false) })
	t.Run("paced", func(t *testing.T) { f(t, true) })
}

// A request over what the kernel holds and an answer likewise, many times over one connection.
func TestPolledExchanges(t *testing.T) {
	bothPaces(t, func(t *testing.T, paced bool) {
		c, peer := dialled(t)
		text := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
		var served sync.WaitGroup
		served.Go(func() {
			got := make([]byte, len(text))
			for range 4 {
				if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, text) {
					t.Errorf("the peer read something else, %v", err)
				}
				_, _ = peer.Write(text)
			}
		})
		got := make([]byte, len(text))
		for range 4 {
			if !Quiet(c) {
				t.Error("something has come")
			}
			Pace(c, false)
			if n, err := c.Write(text); n != len(text) || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
			Pace(c, paced)
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
				t.Errorf("read something else, %v", err)
			}
		}
		served.Wait()
		if n, err := c.Read(nil); n != 0 || err != nil {
			t.Errorf("read nothing: %d, %v", n, err)
		}
		if n, err := c.Write(nil); n != 0 || err != nil {
			t.Errorf("wrote nothing: %d, %v", n, err)
		}
	})
}

// The end is read after what came before it, together with it or not: no read waits for a word that was said already.
func TestPolledEnd(t *testing.T) {
	bothPaces(t, func(t *testing.T, paced bool) {
		buf := make([]byte, 64)
		for i := range 300 {
			c, peer := dialled(t)
			Pace(c, paced)
			go func() {
				_, _ = peer.Write([]byte("first"))
				if i%3 == 0 {
					time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
				}
				_, _ = peer.Write([]byte("last"))
				if i%2 == 0 {
					_ = peer.CloseWrite()
				} else {
					_ = peer.Close()
				}
			}()
			var got []byte
			for {
				n, err := c.Read(buf)
				got = append(got, buf[:n]...)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if string(got) != "firstlast" {
				t.Fatalf("read %q", got)
			}
			if Quiet(c) {
				t.Fatal("a connection that has ended is quiet")
			}
			_, _ = c.Close(), peer.Close()
		}
	})
}

func TestPolledFails(t *testing.T) {
	bothPaces(t, func(t *testing.T, paced bool) {
		c, peer := dialled(t)
		Pace(c, paced)
		// A deadline, and reading on behind it.
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		buf := make([]byte, 8)
		var late net.Error
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &late) || !late.Timeout() {
			t.Errorf("a read past its deadline: %v", err)
		}
		// One that was put off, one brought forward, one that has passed.
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_ = c.SetDeadline(time.Now().Add(time.Hour))
		_, _ = peer.Write([]byte("x"))
		if n, err := c.Read(buf); n != 1 || err != nil || buf[0] != 'x' {
			t.Errorf("after the deadline: %d, %v", n, err)
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a read past a deadline brought forward: %v", err)
		}
		_ = c.SetDeadline(time.Now().Add(-time.Hour))
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a read past a deadline that had passed: %v", err)
		}
		// A write that nobody takes.
		_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := c.Write(make([]byte, 64<<20)); n == 0 || n == 64<<20 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a write that nobody takes: %d, %v", n, err)
		}
		// A reset.
		c, peer = dialled(t)
		Pace(c, paced)
		_ = peer.SetLinger(0)
		_ = peer.Close()
		var op *net.OpError
		if _, err := c.Read(buf); !errors.As(err, &op) || op.Op != "read" {
			t.Errorf("read after a reset: %v", err)
		}
		if _, err := c.Write(buf); !errors.As(err, &op) || op.Op != "write" {
			t.Errorf("write after a reset: %v", err)
		}
		// Its own end wakes a read under way.
		c, _ = dialled(t)
		Pace(c, paced)
		go func() { _ = c.Close() }()
		if _, err := c.Read(buf); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of a closed connection: %v", err)
		}
		if _, err := c.Write(buf); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write to a closed connection: %v", err)
		}
		Pace(c, !paced)
		if err := c.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) || c.Close() == nil || Quiet(c) {
			t.Errorf("a closed connection goes on: %v", err)
		}
	})
}

// Streams side by side, each read while it is closed, moved, or to its end; closed descriptors are given out again at once.
func TestPolledMany(t *testing.T) {
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			for range 10 {
				c, peer := dialled(t)
				Pace(c, i%2 == 0)
				go func() {
					for n := range 20 {
						if _, err := peer.Write([]byte{byte(i), byte(n)}); err != nil {
							return
						}
						if n%4 == 0 {
							time.Sleep(50 * time.Microsecond)
						}
					}
					_ = peer.Close()
				}()
				if i%3 == 0 {
					go func() { _ = c.Close() }()
				}
				buf, n := make([]byte, 3), 0
				for {
					m, err := c.Read(buf)
					for _, b := range buf[:m] {
						if n%2 == 0 && b != byte(i) || n%2 == 1 && b != byte(n/2) {
							t.Errorf("byte %d of stream %d is %d", n, i, b)
						}
						n++
					}
					if err != nil {
						if i%3 != 0 && (!errors.Is(err, io.EOF) || n != 40) {
							t.Errorf("after %d bytes: %v", n, err)
						}
						break
					}
					if n%8 == 0 {
						Pace(c, n%16 == 0)
					}
				}
				_, _ = c.Close(), peer.Close()
			}
		})
	}
	all.Wait()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.users != 0 {
		t.Errorf("%d connections are counted", shared.users)
	}
}

func TestPolledOtherKinds(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if Polled(a) != a || Quiet(a) {
		t.Error("a pipe did not come back as it is")
	}
	Pace(a, true)
}

// BenchmarkExchange is a small request and its answer, as the asking end has them.
func BenchmarkExchange(b *testing.B) {
	for name, of := range map[string]func(net.Conn) net.Conn{
		"net": func(nc net.Conn) net.Conn { return nc }, "direct": Direct, "polled": Polled,
		"paced": func(nc net.Conn) net.Conn { c := Polled(nc); Pace(c, true); return c },
	} {
		b.Run(name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			peer, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			defer peer.Close()
			go func() { _, _ = io.Copy(peer, peer) }()
			c := of(nc)
			defer c.Close()
			text, buf := make([]byte, 300), make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Write(text)
				if _, err := c.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
