package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/sse"
)

// Streams of many buffers' length, of events of every form, read in pieces of any size.
func TestLongStreams(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var text, want []byte
		for i := range 400 {
			newline := []string{"\n", "\n", "\n", "\r\n", "\r"}[r.IntN(5)]
			line := fmt.Sprintf("%d%s", i, strings.Repeat("x", r.IntN(60)))
			switch r.IntN(8) {
			case 0:
				text = append(text, ": a comment"+newline+newline...)
			case 1:
				text = append(text, "event: e"+newline...)
			case 2:
				text = append(text, "data: "+line+newline...)
				want = append(want, line+"\n"...)
			}
			text = append(text, "data: "+line+newline+newline...)
			want = append(want, line+"\x00"...)
		}
		got, src := []byte(nil), sse.NewReader(&ragged{text, r}, 0)
		for {
			ready := src.Ready()
			ev, err := src.Next()
			if errors.Is(err, io.EOF) {
				if ready {
					t.Errorf("seed %d: ready at the end", seed)
				}
				break
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			got = append(append(got, ev.Data...), 0)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("seed %d: %q read as %q", seed, text, got)
		}
	}
}

// ragged reads a text in pieces of random size.
type ragged struct {
	rest []byte
	r    *rand.Rand
}

func (s *ragged) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:min(len(s.rest), 1+s.r.IntN(40))])
	s.rest = s.rest[n:]
	return n, nil
}
