package server_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/server"
)

// However a connection ends, its place is given back, once: there is room for as many as before, and for no more.
func TestPlacesComeBack(t *testing.T) {
	const places = 24
	g := start(t, "")
	_, address := serve(t, g, server.Options{Connections: places, HeaderTime: 300 * time.Millisecond})
	connect := func() *net.TCPConn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		return c.(*net.TCPConn)
	}
	const ping = "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
	reset := func(c *net.TCPConn) { _, _ = c.SetLinger(0), c.Close() }
	closed := func(c *net.TCPConn) { _ = c.Close() }
	half := func(c *net.TCPConn) { _ = c.CloseWrite() }
	wait := func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }
	for text, end := range map[string]func(*net.TCPConn){
		"":                                 wait,
		"G":                                wait,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r":   wait,
		"\r\n":                             wait,
		"GET /ping HTTP/1.0\r\n\r\n":       wait,
		"nothing that is known at all\r\n": wait,
		ping + "nothing that is known at all\r\n": wait,
		ping:        closed,
		ping + ping: reset,
		ping + "HEAD /ping HTTP/1.1\r\nHost: x\r\n\r\n":                                                                 closed,
		"HEAD /ping HTTP/1.1\r\nHost: x\r\n\r\n":                                                                        half,
		"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{":                                  half,
		"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{":                                 reset,
		"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n" + strings.Repeat("x", 1<<20): wait,
		"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n":           wait,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00":                                          closed,
	} {
		c := connect()
		_, _ = io.WriteString(c, text)
		end(c)
		_ = c.Close()
	}
	served := func(c net.Conn) bool {
		_, _ = io.WriteString(c, ping)
		_, err := io.ReadFull(c, make([]byte, 12))
		return err == nil
	}
	until(t, "room for all", func() bool {
		var held []net.Conn
		defer func() {
			for _, c := range held {
				_ = c.Close()
			}
		}()
		for range places {
			c := connect()
			if held = append(held, c); !served(c) {
				return false
			}
		}
		if served(connect()) {
			t.Error("there is room for more")
		}
		return true
	})
}
