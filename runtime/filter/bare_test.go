package filter

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sluicegate/sluice/filters"
	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// mode is how a bare guest runs.
type mode string

const (
	asItIs  mode = "plain"   // as it is
	metered mode = "metered" // rewritten, with the engine's own clock
	guarded mode = "guarded" // as it is, with the runtime's own way to end a call: WithCloseOnContextDone
)

// bare is a filter without the engine: just wazero, and host functions that note what they are called with.
type bare struct {
	mod       api.Module
	alloc, fn api.Function
	fuel      api.MutableGlobal // nil unless metered
	clock     clock
	slice     int64    // units of each refill; 0: as the clock has them
	noting    bool     // trace is kept
	trace     []string // calls of host functions
	stack     [4]uint64
	ctx       context.Context
}

// run makes a guest ready. Its configuration is empty.
func (m mode) run(t testing.TB, code []byte, slice int64) *bare {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	b := &bare{slice: slice, noting: true, ctx: ctx}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(coreFeatures).WithCloseOnContextDone(m == guarded))
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	b.provide(t, r)
	var info meter.Info
	if m == metered {
		var err error
		if code, info, err = meter.Rewrite(code, meter.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	b.clock.start(time.Hour)
	if b.mod, err = r.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithStartFunctions("_initialize")); err != nil {
		t.Fatal(err)
	}
	b.alloc, b.fn = b.mod.ExportedFunction("alloc"), b.mod.ExportedFunction("on_text")
	if m == metered {
		b.fuel = b.mod.ExportedGlobal(info.FuelGlobalExport).(api.MutableGlobal)
	}
	if b.mod.ExportedFunction("on_config") != nil {
		b.hook("on_config", "{}")
	}
	return b
}

// provide makes the host's functions: they take note, answer 0, and do nothing.
func (b *bare) provide(t testing.TB, r wazero.Runtime) {
	t.Helper()
	host := r.NewHostModuleBuilder(hostModule)
	for _, h := range hostTable {
		params, results := valueTypes(h.sig)
		host.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
			if b.noting {
				b.trace = append(b.trace, h.name+spelled(params, stack))
			}
			stack[0] = 0
		}), params, results).Export(h.name)
	}
	refills := r.NewHostModuleBuilder(meter.DefaultModule).NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) {
		grant, err := b.clock.refill(ctx, int64(stack[0]))
		if err != nil {
			panic(err)
		}
		if b.slice > 0 {
			grant = b.slice
		}
		stack[0] = uint64(grant)
	}), []api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).Export(meter.DefaultName)
	for _, m := range []wazero.HostModuleBuilder{host, refills} {
		if _, err := m.Instantiate(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// spelled spells out what a host function is called with. The upper half of an i32 is anything.
func spelled(params []api.ValueType, stack []uint64) string {
	out := make([]uint64, len(params))
	for i, p := range params {
		if out[i] = stack[i]; p == api.ValueTypeI32 {
			out[i] = uint64(uint32(stack[i]))
		}
	}
	return fmt.Sprint(out)
}

// give hands a text to the guest, in a buffer of its own, and leaves the first parameters in the stack.
func (b *bare) give(text string) error {
	b.stack[0] = uint64(len(text))
	if err := b.alloc.CallWithStack(b.ctx, b.stack[:]); err != nil {
		return err
	}
	if !b.mod.Memory().WriteString(uint32(b.stack[0]), text) {
		return errPointer
	}
	b.stack[1] = uint64(len(text))
	return nil
}

// text is what the engine does for one call of on_text.
func (b *bare) text(text string, flags uint32) error {
	b.clock.start(time.Hour)
	if b.fuel != nil {
		b.fuel.Set(firstSlice)
	}
	if err := b.give(text); err != nil {
		return err
	}
	b.stack[2], b.stack[3] = uint64(flags), 0
	return b.fn.CallWithStack(b.ctx, b.stack[:])
}

// hook runs another hook.
func (b *bare) hook(name, text string) {
	if b.mod.ExportedFunction(name) == nil {
		return
	}
	b.clock.start(time.Hour)
	err := b.give(text)
	if err == nil {
		err = b.mod.ExportedFunction(name).CallWithStack(b.ctx, b.stack[:])
	}
	b.note(name, err)
}

// note takes down how a call ended and what the guest's memory is then.
func (b *bare) note(what string, err error) {
	view, _ := b.mod.Memory().Read(0, b.mod.Memory().Size())
	ended := ""
	if err != nil {
		ended, _, _ = strings.Cut(err.Error(), "\n")
	}
	b.trace = append(b.trace, fmt.Sprintf("%s: %d %x %s", what, b.stack[0], sha256.Sum256(view), ended))
}

// Every guest of the repository makes the same calls with the same arguments, returns the same and leaves the same
// memory, rewritten and not, however small the slices.
func TestGuestsDoTheSameRewritten(t *testing.T) {
	alone(t)
	guests := map[string][]byte{"words": guest(t, "words"), "hostile": guest(t, "hostile")}
	for _, name := range filters.Builtins() {
		guests[name], _ = filters.Builtin(name)
	}
	texts := []string{
		"", "x", secrets, strings.Repeat(secrets, 100), "!M remember", "!t", "!o", "!l..", "!O", "!b", "!m", "!n", "pin 1234 <<" + secrets,
		strings.Repeat("ü", 30_000), strings.Repeat("a@", 5_000), prose, `{"a":"` + secrets + `"}`,
	}
	all := func(m mode, code []byte, slice int64) []string {
		b := m.run(t, code, slice)
		for i, text := range texts {
			if b.fn != nil {
				b.note("on_text", b.text(text, uint32(flagEnd|i<<1&flagAnswer|i<<5&flagArguments|i<<6&flagStreamed)))
			}
			b.hook("on_request", text)
			b.hook("on_response", text)
		}
		return b.trace
	}
	for name, code := range guests {
		want := all(asItIs, code, 0)
		for _, slice := range []int64{1, 1000, 0} {
			got := all(metered, code, slice)
			if len(got) != len(want) {
				t.Errorf("%s in slices of %d: %d calls, as it is %d", name, slice, len(got), len(want))
			}
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Errorf("%s in slices of %d, call %d:\ngot  %s\nwant %s", name, slice, i, got[i], want[i])
					break
				}
			}
		}
		if len(want) < len(texts)+1 {
			t.Errorf("%s was hardly called: %d", name, len(want))
		}
	}
}
