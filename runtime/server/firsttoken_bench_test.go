package server_test

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// BenchmarkFirstToken measures when a caller reads the first text of a streamed answer: without a filter, with redact on
// requests alone, and with redact on answers too, from a model server that sends its words at once and one that sends one
// each 5 ms. What the filter adds is its own time, and the time until it is certain that the first word is no finding:
// with redact that is when the next one comes. p50 and p99 are those of the runs; BenchmarkHeldBack in runtime/filter has
// the bytes.
func BenchmarkFirstToken(b *testing.B) {
	words := strings.SplitAfter("The history of computing begins with people who compute by hand, and goes on from there.", " ")
	for i := 1; i < len(words); i++ { // as tokenizers cut: the space goes before its word
		words[i-1], words[i] = strings.TrimSuffix(words[i-1], " "), " "+words[i]
	}
	f := func(name string, pause time.Duration, filters string) {
		b.Run(fmt.Sprintf("%s/%v", name, pause), func(b *testing.B) {
			m := modelserver.New(b, modelserver.SlowStream(pause, words...))
			models := strings.Replace(gateway.Model(m.URL()), ", requires: [redact]", "", 1)
			_, rest, _ := strings.Cut(gateway.Rest, "policy:")
			g := gateway.Start(b, gateway.Callers+models+filters+"policy:"+rest)
			var took []time.Duration
			for b.Loop() {
				took = append(took, firstToken(b, g))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
		})
	}
	const redact = "filters: [{name: redact, module: builtin:redact, on: [%s], config: {%s}}]\n"
	requests := fmt.Sprintf(redact, "request", "request: {default: token}")
	both := fmt.Sprintf(redact, "request, response", "request: {default: token}, response: {default: mask}")
	for _, pause := range []time.Duration{0, 5 * time.Millisecond} {
		f("none", pause, "")
		f("requests", pause, requests)
		f("both", pause, both)
	}
}

// firstToken asks for a stream, takes the time until its first text, and reads on to its end.
func firstToken(b *testing.B, g *gateway.Gateway) time.Duration {
	begun := time.Now()
	resp := g.Open(b.Context(), "red", chatPath, streamed(ask("Tell me about the history of computing, ana@example.com.")), "Cache-Control", "no-store")
	defer func() { _ = resp.Body.Close() }()
	var took time.Duration
	for lines := bufio.NewScanner(resp.Body); took == 0 && lines.Scan(); {
		if says(lines.Text()) != "" {
			took = time.Since(begun)
		}
	}
	if rest, err := io.ReadAll(resp.Body); err != nil || took == 0 || resp.StatusCode != 200 {
		b.Fatalf("%d %v, no text before %q", resp.StatusCode, err, rest)
	}
	return took
}
