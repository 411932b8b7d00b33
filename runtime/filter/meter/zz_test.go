package meter_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

func BenchmarkRedactZZ(b *testing.B) {
	mod, err := os.ReadFile("/work/main/filters/redact/redact.wasm")
	if err != nil {
		b.Skip()
	}
	prose := strings.Repeat("The quick brown fox writes to ana@example.com about 4111 1111 1111 1111 and 10.0.0.1, then goes home. ", 10)[:1000]
	plain := strings.Repeat("The quick brown fox jumps over the lazy dog and then goes home again, as it does on any other day of it. ", 10)[:1000]
	for name, text := range map[string]string{"prose": plain, "hits": prose} {
		for kind, slice := range map[string]int64{"plain": 0, "metered": 50000} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				ctx := context.Background()
				r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig())
				defer r.Close(ctx)
				out, info, err := meter.Rewrite(mod, meter.Options{})
				if err != nil {
					b.Fatal(err)
				}
				hb := r.NewHostModuleBuilder("sluice")
				for _, im := range info.Imports {
					var ps, rs []api.ValueType
					for _, p := range im.Func.Params {
						ps = append(ps, api.ValueType(p))
					}
					for _, p := range im.Func.Results {
						rs = append(rs, api.ValueType(p))
					}
					hb = hb.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, s []uint64) {
						if len(s) > 0 {
							s[0] = 0
						}
					}), ps, rs).Export(im.Name)
				}
				if _, err := hb.Instantiate(ctx); err != nil {
					b.Fatal(err)
				}
				addRefill(b, r, func(int64) int64 { return slice })
				m := mod
				if slice > 0 {
					m = out
				}
				g, err := r.Instantiate(ctx, m)
				if err != nil {
					b.Fatal(err)
				}
				if f := g.ExportedFunction("on_config"); f != nil {
					a, err := g.ExportedFunction("alloc").Call(ctx, 2)
					if err != nil {
						b.Fatal(err)
					}
					g.Memory().Write(uint32(a[0]), []byte("{}"))
					if rr, err := f.Call(ctx, a[0], 2); err != nil {
						b.Fatal(rr, err)
					}
				}
				on, al := g.ExportedFunction("on_text"), g.ExportedFunction("alloc")
				st := make([]uint64, 4)
				in := []byte(text)
				for b.Loop() {
					st[0] = uint64(len(in))
					if err := al.CallWithStack(ctx, st); err != nil {
						b.Fatal(err)
					}
					p := st[0]
					g.Memory().Write(uint32(p), in)
					st[0], st[1], st[2], st[3] = p, uint64(len(in)), 1, 0
					if err := on.CallWithStack(ctx, st); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
