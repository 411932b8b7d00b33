package server_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// Callers who go away at any byte of their request, or of the answer, leave nothing behind: no goroutine, no descriptor, no
// exchange, and no call of a model server that goes on for nobody.
func TestFaultsOfCallers(t *testing.T) {
	n := 300
	if allFaults() {
		n = 10_000
	}
	s := besiege(t, modelserver.Answer(strings.Repeat("some words of an answer ", 20)))
	requests := []string{}
	for _, body := range []string{ask("hi"), streamed(ask("hi"))} {
		requests = append(requests, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n%s", chatPath, s.Key("red"), len(body), body))
	}
	if r := s.Post("red", chatPath, ask("warm")); r.Status != 200 {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	goroutines, open := runtime.NumGoroutine(), descriptors(t)
	noneOut(t)
	addr := strings.TrimPrefix(s.URL, "http://")
	random := rand.New(rand.NewPCG(7, 11))
	var wg sync.WaitGroup
	gate := make(chan struct{}, 8)
	for range n {
		request := requests[random.IntN(2)]
		sent, read := random.IntN(len(request)+1), int64(0)
		if random.IntN(3) > 0 {
			sent, read = len(request), random.Int64N(4000)
		}
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }() // leaving is the point
			_, _ = io.WriteString(c, request[:sent])
			_, _ = io.CopyN(io.Discard, c, read) // as much as comes: the gateway may end it first
		})
	}
	wg.Wait()
	until(t, "everything is given back", func() bool {
		runtime.GC()
		return s.Control.Pipeline().Running() == 0 && runtime.NumGoroutine() <= goroutines+16 && descriptors(t) <= open+16
	})
	noneOut(t)
	if r := s.Post("red", chatPath, ask("hi")); r.Status != 200 {
		t.Errorf("afterwards: %d %s", r.Status, r.Body)
	}
}
