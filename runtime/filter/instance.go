package filter

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// instance is one instantiated module. It is used by one goroutine at a time.
type instance struct {
	f       *Filter
	mod     api.Module
	mem     api.Memory
	fuel    api.MutableGlobal
	marks   api.MutableGlobal   // what the guest wrote since the last restore: meter.Marks
	globals []api.MutableGlobal // in the snapshot's order
	alloc   api.Function
	hooks   [stageCount]api.Function
	call    call
	stack   [4]uint64     // parameters and results; on_text has the most
	owner   owner         // whose text it may hold
	holds   uint64        // the pass whose handle_request it ran last, with all that the guest left; 0: none
	broken  bool          // trapped: worth nothing more
	since   time.Duration // when its last call ended
	size    int64         // bytes of memory, as its pool has them counted
	tally   tally
}

// snapshot is a state that instances are put back to.
type snapshot struct {
	memory  []byte
	globals []uint64
}

// hookExports names the export of each stage that is one.
var hookExports = [stageCount]string{
	inConfig: "on_config", inText: "on_text", inRequest: "on_request", inResponse: "on_response",
	inHandleRequest: handleRequest, inHandleResponse: handleResponse,
}

// instantiate makes an instance as the module's start section leaves it.
func (m *module) instantiate(ctx context.Context, f *Filter, limit time.Duration) (*instance, error) {
	in := &instance{f: f}
	c := &in.call
	c.f, c.ctx = f, ctx
	c.clock.start(limit)
	mod, err := m.rt.InstantiateModule(c, m.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, in.reason(err)
	}
	in.mod, in.mem = mod, mod.Memory()
	in.fuel = mod.ExportedGlobal(m.info.FuelGlobalExport).(api.MutableGlobal)
	in.marks = mod.ExportedGlobal(m.info.MarkGlobalExport).(api.MutableGlobal)
	c.marks = meter.AllMarks // the memory is as the module has it, not as the snapshot
	for _, g := range m.info.Globals {
		in.globals = append(in.globals, mod.ExportedGlobal(g.Name).(api.MutableGlobal))
	}
	in.alloc = mod.ExportedFunction("alloc")
	for s, name := range hookExports {
		if name != "" {
			in.hooks[s] = mod.ExportedFunction(name)
		}
	}
	in.since = now()
	f.pool.add(in)
	return in, nil
}

// close frees the instance.
func (in *instance) close() {
	_ = in.mod.Close(context.Background()) // it only frees memory
	in.f.pool.gone(in)
}

// snapshot copies the instance's state.
func (in *instance) snapshot() *snapshot {
	view, _ := in.mem.Read(0, in.mem.Size())
	s := &snapshot{memory: append([]byte(nil), view...)}
	for _, g := range in.globals {
		s.globals = append(s.globals, g.Get())
	}
	return s
}

// restore puts the instance back to a snapshot. It reports false when it can't: the instance trapped or grew. Only what
// the guest or the host marked as written is copied, which for small texts is a tenth of a small memory, and of the arena
// what texts filled.
func (in *instance) restore(s *snapshot) bool {
	if in.broken || int(in.mem.Size()) > len(s.memory) {
		return false
	}
	if missing := len(s.memory) - int(in.mem.Size()); missing > 0 {
		if _, ok := in.mem.Grow(uint32(missing / pageSize)); !ok {
			return false
		}
	}
	view, ok := in.mem.Read(0, uint32(len(s.memory)))
	if !ok {
		return false
	}
	for from, to := range in.f.mod.info.Written(meter.Marks(in.marks.Get())|in.call.marks, len(view)) {
		copy(view[from:to], s.memory[from:to])
	}
	a := in.f.arena.at
	copy(view[a:a+in.call.filled], s.memory[a:])
	in.marks.Set(0)
	in.call.marks, in.call.filled = 0, 0
	for i, g := range in.globals {
		g.Set(s.globals[i])
	}
	in.call.ticks, in.call.seed, in.call.calls = 0, 0, 0
	in.call.forget()
	in.owner, in.holds = owner{}, 0
	return true
}

// enter runs one export. The parameters are in the instance's stack, and so are the results.
func (in *instance) enter(fn api.Function, s stage) error {
	c := &in.call
	c.stage = s
	in.fuel.Set(firstSlice)
	c.clock.enter()
	err := fn.CallWithStack(c, in.stack[:])
	c.clock.leave(int64(in.fuel.Get()))
	if err != nil {
		in.broken = true
		return in.reason(err)
	}
	return nil
}

// reason makes a failure of a guest's call fit for a log: wazero's error has a stack trace, and tells nothing more
// where a host function ended the call.
func (in *instance) reason(err error) error {
	c := &in.call
	if c.err != nil {
		err, c.err = c.err, nil
		return fmt.Errorf("%s: %w", c.stage, err)
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%s: %w: %s", c.stage, errTrap, clean(first, maxLogLine))
}

// invoke gives a hook its text and runs it within limit of guest time. The hook's first parameters are where the text
// lies and its length; more follow them.
func (in *instance) invoke(ctx context.Context, s stage, text []byte, limit time.Duration, more ...uint64) (uint64, error) {
	if limit <= 0 {
		return 0, fmt.Errorf("%s: %w", s, errBudget)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(text) > math.MaxInt32 {
		return 0, breach("the text is over 2 GiB")
	}
	c := &in.call
	c.ctx = ctx
	c.clock.start(limit)
	if c.clock.crowd = &in.f.engine.heavy; c.run != nil {
		c.clock.before = c.run.p.spent[c.dir]
	}
	if in.f.proof {
		c.clock.most = proofUnits + proofUnitsPerByte*int64(len(text))
		if s == inConfig {
			c.clock.most += proofConfigUnits
		}
	}
	params, err := in.deliver(text)
	if err == nil {
		copy(in.stack[params:], more)
		err = in.enter(in.hooks[s], s)
	}
	took := c.clock.stop()
	in.tally.call(took, c.clock.units)
	if in.f.proof {
		in.f.stats.memory = max(in.f.stats.memory, int(in.mem.Size()))
	}
	if err != nil {
		in.broken = true
		return 0, err
	}
	return in.stack[0], nil
}

// deliver writes text where the guest has room for it: in its arena, or in a buffer that alloc gives. Where it lies and its
// length are then the first parameters. It returns how many there are: none for an http-wasm handler, which asks the host
// for what it reads.
func (in *instance) deliver(text []byte) (params int, err error) {
	if in.f.mod.handler {
		return 0, nil
	}
	ptr, n := in.f.arena.at, uint32(len(text))
	var buf []byte
	if in.f.arena.size > 0 && n <= in.f.arena.size {
		buf, _ = in.mem.Read(ptr, n) // memory never shrinks
		in.call.filled = max(in.call.filled, n)
	} else {
		in.stack[0] = uint64(n)
		if err := in.enter(in.alloc, inAlloc); err != nil {
			return 0, err
		}
		if ptr = uint32(in.stack[0]); ptr == 0 {
			return 0, breach("alloc: no memory")
		}
		var ok bool
		if buf, ok = in.call.writable(in.mem, ptr, n); !ok {
			return 0, breach("alloc: the buffer lies outside the memory")
		}
	}
	copy(buf, text)
	in.stack[0], in.stack[1] = uint64(ptr), uint64(n)
	return 2, nil
}
