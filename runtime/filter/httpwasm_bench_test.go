package filter

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// A request and its answer through one http-wasm handler: one that does nothing, on requests and on both, and one that
// writes another answer.
func BenchmarkHandler(b *testing.B) {
	e := engine(b, Options{})
	for _, config := range []string{"nothing", "nothing/nothing", "asks/mail"} {
		for _, size := range []int{1 << 10, 16 << 10} {
			b.Run(fmt.Sprintf("%s/%dKiB", strings.ReplaceAll(config, "/", "+"), size>>10), func(b *testing.B) {
				h := loadWith(b, e, buffered(b, config))
				x := called(b, strings.Repeat("x", size))
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					through(b, h, x)
				}
			})
		}
	}
}

func through(b *testing.B, h *Filter, x *exchange.Exchange) {
	p, err := NewChain(h).Begin(x, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	if err := p.Request(context.Background()); err != nil {
		b.Fatal(err)
	}
	if !p.NeedsAnswer() {
		return
	}
	a, err := openai.Chat.Answer(answer("fine"))
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Answer(context.Background(), a); err != nil {
		b.Fatal(err)
	}
}
