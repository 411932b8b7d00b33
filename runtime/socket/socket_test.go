package socket_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/socket"
)

// pair is the two ends of a loopback connection, the first one direct.
func pair(t testing.TB) (direct, peer net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if peer, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	direct = socket.Direct(nc)
	t.Cleanup(func() { _, _ = direct.Close(), peer.Close() })
	return direct, peer
}

// More than the kernel holds goes both ways at once, whole, at whatever pace the peer takes it.
func TestBothWays(t *testing.T) {
	c, peer := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	var all sync.WaitGroup
	all.Go(func() {
		if n, err := c.Write(sent); n != len(sent) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	})
	all.Go(func() {
		_, _ = io.CopyN(peer, bytes.NewReader(sent), int64(len(sent)))
	})
	for _, from := range []net.Conn{c, peer} {
		all.Go(func() {
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(from, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("read something else, %v", err)
			}
		})
	}
	all.Wait()
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("read nothing: %d, %v", n, err)
	}
	if n, err := c.Write(nil); n != 0 || err != nil {
		t.Errorf("wrote nothing: %d, %v", n, err)
	}
}

func TestEnds(t *testing.T) {
	c, peer := pair(t)
	// A deadline, and reading on behind it.
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var late net.Error
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("a read past its deadline: %v", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	_, _ = peer.Write([]byte("x"))
	buf := make([]byte, 8)
	if n, err := c.Read(buf); n != 1 || err != nil || buf[0] != 'x' {
		t.Errorf("after the deadline: %d, %v", n, err)
	}
	// A write that nobody takes ends at its deadline, and says how much went out.
	_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Write(make([]byte, 64<<20)); n == 0 || n == 64<<20 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write that nobody takes: %d, %v", n, err)
	}
	// The peer's end, and a reset.
	c, peer = pair(t)
	_ = peer.(*net.TCPConn).CloseWrite()
	if n, err := c.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the peer's end: %d, %v", n, err)
	}
	c, peer = pair(t)
	_ = peer.(*net.TCPConn).SetLinger(0)
	_ = peer.Close()
	var op *net.OpError
	if _, err := c.Read(buf); !errors.As(err, &op) || op.Op != "read" {
		t.Errorf("read after a reset: %v", err)
	}
	if _, err := c.Write(buf); !errors.As(err, &op) {
		t.Errorf("write after a reset: %v", err)
	}
	// Its own end wakes a read under way.
	c, _ = pair(t)
	go func() { _ = c.Close() }()
	if _, err := c.Read(buf); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read of a closed connection: %v", err)
	}
	if _, err := c.Write(buf); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write to a closed connection: %v", err)
	}
}

// Whoever waits is told what a read tells, an error once and by one of the two.
func TestWait(t *testing.T) {
	buf := make([]byte, 8)
	f := func(name string, early, late func(c, peer net.Conn), text string, want error) {
		t.Run(name, func(t *testing.T) {
			c, peer := pair(t)
			w, ok := c.(socket.Waiter)
			if !ok {
				t.Skip("it can be waited for on Linux alone")
			}
			if early != nil {
				early(c, peer)
				time.Sleep(10 * time.Millisecond) // it comes before the waiting begins, as a rule
			}
			if late != nil {
				go func() {
					time.Sleep(10 * time.Millisecond)
					late(c, peer)
				}()
			}
			n, err := 0, w.Wait()
			if err == nil {
				_ = c.SetReadDeadline(time.Now().Add(time.Minute))
				n, err = c.Read(buf)
			}
			if string(buf[:n]) != text || !errors.Is(err, want) {
				t.Errorf("got %q, %v, want %q, %v", buf[:n], err, text, want)
			}
		})
	}
	say := func(_, peer net.Conn) { _, _ = peer.Write([]byte("x")) }
	end := func(_, peer net.Conn) { _ = peer.(*net.TCPConn).CloseWrite() }
	reset := func(_, peer net.Conn) { _, _ = peer.(*net.TCPConn).SetLinger(0), peer.Close() }
	leave := func(c, _ net.Conn) { _ = c.Close() }
	pass := func(c, _ net.Conn) { _ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) }
	f("bytes there", say, nil, "x", nil)
	f("bytes later", nil, say, "x", nil)
	f("end there", end, nil, "", io.EOF)
	f("end later", nil, end, "", io.EOF)
	f("reset there", reset, nil, "", syscall.ECONNRESET)
	f("reset later", nil, reset, "", syscall.ECONNRESET)
	f("closed there", leave, nil, "", net.ErrClosed)
	f("closed later", nil, leave, "", net.ErrClosed)
	f("deadline", pass, nil, "", os.ErrDeadlineExceeded)
	f("deadline later", nil, pass, "", os.ErrDeadlineExceeded)
}

func TestOtherKinds(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if socket.Direct(a) != a {
		t.Error("a pipe did not come back as it is")
	}
}

func BenchmarkWrite(b *testing.B) {
	for name, of := range map[string]func(net.Conn) net.Conn{"direct": socket.Direct, "net": func(nc net.Conn) net.Conn { return nc }} {
		b.Run(name, func(b *testing.B) {
			c, peer := pair(b)
			go func() { _, _ = io.Copy(io.Discard, c) }()
			out, text := of(peer), make([]byte, 300)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := out.Write(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
