package server

import (
	"io"
	"net"
	"testing"
)

// A piece of nothing is no chunk: that would be the last one.
func TestChunks(t *testing.T) {
	ours, theirs := net.Pipe()
	c := &caller{wire: ours}
	sent := make(chan error, 1)
	go func() {
		defer ours.Close()
		for _, p := range []string{"a piece of 17 by.", "", "x"} {
			if err := c.sendChunk([]byte(p)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	got, err := io.ReadAll(theirs)
	if want := "11\r\na piece of 17 by.\r\n1\r\nx\r\n"; err != nil || string(got) != want {
		t.Errorf("sent %q, %v, want %q", got, err, want)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if err := c.sendChunk([]byte("y")); err == nil || !c.gone {
		t.Errorf("a piece that could not be sent: %v, gone %v", err, c.gone)
	}
}
