package filter

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/filters"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// redactor loads the shipped redaction filter with all the guest time there is: what it finds is tested, on machines that
// may be busy.
func redactor(t testing.TB) *Filter {
	t.Helper()
	code, ok := filters.Builtin("redact")
	if !ok {
		t.Fatal("there is no builtin:redact")
	}
	return load(t, Spec{Name: "redact", Module: code, Request: true, Answer: true, Actions: Actions{DefaultRequest: Token}, Limits: Limits{Base: MaxGuestTime}})
}

// prose is text without findings.
var prose = strings.Repeat("The quick brown fox jumps over the lazy dog, and nobody minds it at all. ", 16)[:1024]

func benchmarkRequest(b *testing.B, f *Filter, text string) {
	b.Helper()
	chain, ctx := NewChain(f), context.Background()
	x := ask(b, "red", text)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		x.Filters = x.Filters[:0]
		p, err := chain.Begin(x, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Request(ctx); err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
	st := f.Stats()
	b.ReportMetric(float64(st.Time.Nanoseconds())/float64(st.Calls), "guest-ns/call")
}

func BenchmarkRequestWords1K(b *testing.B)  { benchmarkRequest(b, load(b, words(b)), prose) }
func BenchmarkRequestRedact1K(b *testing.B) { benchmarkRequest(b, redactor(b), prose) }
func BenchmarkRequestRedact16K(b *testing.B) {
	benchmarkRequest(b, redactor(b), strings.Repeat(prose, 16))
}

// BenchmarkExchanges64 is what exchanges cost of which 64 run at once: the requests of 63 others lie between an
// exchange's request and its answer, so that its instance was given away in between.
func BenchmarkExchanges64(b *testing.B) {
	f := redactor(b)
	chain, ctx := NewChain(f), context.Background()
	a, err := openai.Chat.Answer(answer(prose))
	if err != nil {
		b.Fatal(err)
	}
	var passes [64]*Pass
	var xs [64]*exchange.Exchange
	for i := range xs {
		xs[i] = ask(b, "red", prose)
		if passes[i], err = chain.Begin(xs[i], nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		i := i % 64
		if err := passes[i].Answer(ctx, a); err != nil {
			b.Fatal(err)
		}
		passes[i].Close()
		xs[i].Filters = xs[i].Filters[:0]
		if passes[i], err = chain.Begin(xs[i], nil); err != nil {
			b.Fatal(err)
		}
		if err := passes[i].Request(ctx); err != nil {
			b.Fatal(err)
		}
	}
	st := f.Stats()
	b.ReportMetric(float64(st.Time.Nanoseconds())/float64(st.Calls), "guest-ns/call")
}

func BenchmarkStreamDelta(b *testing.B) {
	w := redactor(b)
	p, err := NewChain(w).Begin(&exchange.Exchange{Principal: &exchange.Principal{Tenant: "red"}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	f := feed{r: &p.runs[0], t: newProgress(OnAnswer, wire.RoleAssistant, false, true)}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = f.push(context.Background(), dst[:0], []byte("word "), false); err != nil {
			b.Fatal(err)
		}
		p.spent, p.runs[0].spent = [2]time.Duration{}, [2]time.Duration{}
	}
}

// BenchmarkHeldBack streams ordinary prose, and prose full of findings, through the shipped redactor in deltas of a few
// bytes and reports how many bytes are held back after a delta, on average and at most, and how many deltas pass until the
// first text leaves.
func BenchmarkHeldBack(b *testing.B) {
	w := redactor(b)
	f := func(name, text string) {
		b.Run(name, func(b *testing.B) {
			var sum, most, deltas, first int
			for b.Loop() {
				sum, most, deltas, first = 0, 0, 0, 0
				p := begin(b, ask(b, "red", "hi"), w)
				s := p.Stream()
				for at := 0; at < len(text); at += 4 {
					evs, err := s.Event(context.Background(), delta{field: "content", text: text[at:min(at+4, len(text))]}.event(b))
					if err != nil {
						b.Fatal(err)
					}
					if deltas++; first == 0 && len(evs) > 0 && !empty(evs[0]) {
						first = deltas
					}
					sum, most = sum+s.held, max(most, s.held)
				}
				p.Close()
			}
			b.ReportMetric(float64(sum)/float64(deltas), "held-bytes/delta")
			b.ReportMetric(float64(most), "held-bytes-max")
			b.ReportMetric(float64(first), "deltas-to-first-text")
		})
	}
	f("prose", prose)
	f("findings", strings.Repeat("Ask ana@example.com or +1 202 555 0143 about card 4111 1111 1111 1111 from 203.0.113.7. ", 12)[:1000])
}
