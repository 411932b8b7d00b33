package server_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/server"
)

// trickled sends text a byte at a time and tells whether the connection was closed, and not only left to hang.
func trickled(t *testing.T, address, text string, pause time.Duration) bool {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			if _, err := io.WriteString(c, text[i%len(text):i%len(text)+1]); err != nil {
				return
			}
			select {
			case <-time.After(pause):
			case <-stop:
				return
			}
		}
	}()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, err = io.ReadAll(c)
	close(stop)
	<-done
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// However a caller drips what it never ends, it is gone when the time for a head is over: in HTTP/1.1, in what may become
// HTTP/2, and in the handshake of TLS.
func TestSlowHeads(t *testing.T) {
	o := server.Options{HeaderTime: 300 * time.Millisecond, BodyTime: 300 * time.Millisecond, IdleTime: 300 * time.Millisecond}
	g := start(t, "")
	_, address := serve(t, g, o)
	f := func(name, address, text string) {
		t.Run(name, func(t *testing.T) {
			if !trickled(t, address, text, 20*time.Millisecond) {
				t.Error("the connection is kept")
			}
		})
	}
	f("a header that never ends", address, "GET /ping HTTP/1.1\r\nHost: x\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f("empty lines", address, "\r\n")
	f("the beginning of HTTP/2", address, "PRI * HTTP/2.0\r\n\r\nSM")
	s := secure(t, gateway.Callers, "")
	o.TLS = s.Control.TLS()
	_, address = serve(t, s.Gateway, o)
	f("a handshake", address, "\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
}
