package filters_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// BenchmarkGuard looks at plain prose: what every harmless request pays. The guest alone, without the engine's fuel.
func BenchmarkGuard(b *testing.B) {
	for _, size := range []int{64, 1024, 16384, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			text := strings.Repeat(prose, size/len(prose)+1)[:size]
			h := newGuard(b, "{}")
			ctx, stack := context.Background(), make([]uint64, 4)
			p, _ := h.alloc.Call(ctx, uint64(len(text)))
			h.module.Memory().Write(uint32(p[0]), []byte(text))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				h.labels = h.labels[:0]
				stack[0], stack[1], stack[2], stack[3] = p[0], uint64(len(text)), 1|userText, 0
				if err := h.onText.CallWithStack(ctx, stack); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
