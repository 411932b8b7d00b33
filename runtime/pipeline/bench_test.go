package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// desk is a caller without a network: what a benchmark of it measures is the pipeline's own.
type desk struct {
	headers map[string][]string
	body    []byte
	out     bytes.Buffer
	status  int
}

func (d *desk) Client() exchange.Client {
	return exchange.Client{IP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Headers: d.headers}
}

func (d *desk) Body(int) ([]byte, error) { return d.body, nil }

func (d *desk) Reply(status int, _ []pipeline.Header, body []byte) error {
	d.status = status
	d.out.Write(body)
	return nil
}

func (d *desk) Abort() {}

func (d *desk) Begin([]pipeline.Header) error {
	d.status = 200
	return nil
}

func (d *desk) Send(p []byte) error {
	d.out.Write(p)
	return nil
}

func (d *desk) End(p []byte) error { return d.Send(p) }

// BenchmarkServe takes 1 KB prompts the whole way to the built-in demo endpoint and back, everything on: key, redaction
// both ways, the shipped policy, cache, audit, metrics.
func BenchmarkServe(b *testing.B) {
	g := gateway.Start(b, gateway.Callers+`
models:
  - {name: model-a, endpoints: [{name: demo, provider: demo, requires: [redact]}]}
log: {access: false}
`+gateway.Rest)
	text := strings.Repeat("Tell me about the history of computing and networks. ", 19)
	f := func(name string, stream, unique bool) {
		b.Run(name, func(b *testing.B) {
			d := &desk{headers: map[string][]string{"X-Api-Key": {g.Key("red")}}}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				if unique {
					n++
				}
				d.body = fmt.Appendf(d.body[:0], `{"model":"model-a","stream":%v,"messages":[{"role":"user","content":"%08d %s"}],"temperature":0.2,"max_tokens":16}`, stream, n, text)
				d.out.Reset()
				g.Control.Pipeline().Serve(context.Background(), openai.ChatSurface(), d)
				if d.status != 200 {
					b.Fatal(d.status, d.out.String())
				}
			}
		})
	}
	f("miss", false, true)
	f("hit", false, false)
	f("stream", true, true)
}
