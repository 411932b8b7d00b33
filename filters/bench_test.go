package filters_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// prose is plain text with a finding about every 200 bytes.
const prose = "The quarterly report says that demand for inference grew faster than anyone had planned, and that two teams share " +
	"one cluster. Please send the figures to ana@example.com before Friday, and mention order 4711 from 2024-05-01. "

func BenchmarkRedact(b *testing.B) {
	for _, size := range []int{64, 1024, 16384, 65536} {
		text := strings.Repeat(prose, size/len(prose)+1)[:size]
		b.Run(fmt.Sprint(size), func(b *testing.B) { benchmarkText(b, text) })
	}
}

func benchmarkText(b *testing.B, text string) {
	h := newHost(b, builtin(b, "redact"))
	ctx, stack := context.Background(), make([]uint64, 4)
	p, _ := h.alloc.Call(ctx, uint64(len(text)))
	h.size = len(text)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		h.spans = h.spans[:0]
		h.module.Memory().Write(uint32(p[0]), []byte(text))
		stack[0], stack[1], stack[2], stack[3] = p[0], uint64(len(text)), 1, 0
		if err := h.onText.CallWithStack(ctx, stack); err != nil {
			b.Fatal(err)
		}
	}
}
