package abi_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// host is a second host, written from README.md alone: small and slow. It has no snapshot but a new instance for each
// exchange, and stops a guest by the clock.
type host struct {
	rt       wazero.Runtime
	compiled wazero.CompiledModule
	config   string
	hooks    uint32
	fault    string // a rule that it breaks, to see whether the kit finds that; "": none
	kept     *visit // fault "one instance"
}

// visit is an instance at work on one exchange, and what it has said.
type visit struct {
	*host
	ctx    context.Context
	mod    api.Module
	stage  string // the export that runs
	facts  map[string]string
	reason string // logged at level error

	text       []byte // the window
	left, last int
	open       bool
	edits      []edit // of the window
	state      uint64

	labels   map[string]any
	logs     int
	reject   string
	set      map[string]string
	messages []string
}

// edit is a span of the window: a finding, what stands for it, or either end of an open one.
type edit struct {
	what, word string
	start, end int
}

const patience = 3 * time.Second // for a guest that does not end

var (
	kindWord  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	labelWord = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	codeWord  = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)
)

const (
	inText    = "on_text"
	inRequest = "on_request"
	inHooks   = "on_text on_request on_response"
	everyFact = "principal.tenant principal.roles operation model message.role stream"
)

// visitKey carries the visit to the functions that the guest calls.
type visitKey struct{}

// load compiles a module and takes a first instance through all steps up to the warm-up calls.
func load(ctx context.Context, code []byte, config string) (*host, error) {
	h := &host{config: config, rt: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(true).WithMemoryLimitPages(256))}
	wasi_snapshot_preview1.MustInstantiate(ctx, h.rt)
	err := h.imports(ctx)
	if err == nil {
		h.compiled, err = h.rt.CompileModule(ctx, code)
	}
	if err == nil {
		err = h.types()
	}
	if err == nil {
		err = h.warm(ctx)
	}
	if err != nil {
		_ = h.rt.Close(ctx)
		return nil, err
	}
	return h, nil
}

// types holds the exports against the ABI; wazero does so with the imports.
func (h *host) types() error {
	for name, want := range map[string]string{
		"sluice_abi_v1": ":i32", "alloc": "i32:i32", "on_config": "i32 i32:i32", "on_text": "i32 i32 i32 i64:i64",
		"on_request": "i32 i32:i32", "on_response": "i32 i32:i32", "_initialize": ":", "byte_classes": ":i32", "arena": ":i64",
	} {
		f, ok := h.compiled.ExportedFunctions()[name]
		if !ok {
			if name == "sluice_abi_v1" || name == "alloc" {
				return errors.New("no " + name)
			}
			continue
		}
		spell := func(types []api.ValueType) string {
			var out []string
			for _, t := range types {
				out = append(out, api.ValueTypeName(t))
			}
			return strings.Join(out, " ")
		}
		if got := spell(f.ParamTypes()) + ":" + spell(f.ResultTypes()); got != want {
			return fmt.Errorf("%s is %s", name, got)
		}
	}
	if h.compiled.ExportedMemories()["memory"] == nil {
		return errors.New("no memory")
	}
	return nil
}

// warm runs the hooks once.
func (h *host) warm(ctx context.Context) error {
	x, err := h.begin(ctx, nil)
	if err != nil {
		return err
	}
	defer x.end()
	if h.hooks&3 != 0 {
		_, err = x.show([]byte(strings.Repeat("warm ", 13107)), 0, true, 0)
	}
	if err == nil && h.hooks&4 != 0 {
		_, err = x.hook(inRequest, []byte(`{}`))
	}
	return err
}

// begin makes an instance for one exchange.
func (h *host) begin(ctx context.Context, facts map[string]string) (*visit, error) {
	if h.kept != nil {
		h.kept.labels, h.kept.reject, h.kept.state = map[string]any{}, "", 0
		return h.kept, nil
	}
	x := &visit{host: h, facts: facts, labels: map[string]any{}, set: map[string]string{}, stage: "start"}
	x.ctx = context.WithValue(ctx, visitKey{}, x)
	var err error
	if x.mod, err = h.rt.InstantiateModule(x.ctx, h.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize")); err != nil {
		return nil, err
	}
	if err = x.ready(); err != nil {
		x.end()
		return nil, err
	}
	if h.fault == "one instance" {
		h.kept = x
	}
	return x, nil
}

func (x *visit) end() {
	if x.kept == nil {
		_ = x.mod.Close(context.Background())
	}
}

func (x *visit) ready() error {
	bits, err := x.call("sluice_abi_v1", "start")
	if err != nil {
		return err
	}
	x.hooks = uint32(bits)
	if x.hooks == 0 || x.hooks > 15 {
		return fmt.Errorf("hooks %b", x.hooks)
	}
	for bit, name := range []string{"on_text", "on_text", "on_request", "on_response"} {
		if x.hooks&(1<<bit) != 0 && x.mod.ExportedFunction(name) == nil {
			return errors.New("no " + name)
		}
	}
	switch config := x.config; {
	case x.mod.ExportedFunction("on_config") != nil:
		if config == "" {
			config = "{}"
		}
		code, err := x.hook("on_config", []byte(config))
		if err == nil && code != 0 {
			err = errors.New(x.reason)
		}
		if err != nil {
			return fmt.Errorf("on_config: %w", err)
		}
	case config != "":
		return errors.New("no on_config")
	}
	if x.mod.ExportedFunction("byte_classes") != nil {
		p, err := x.call("byte_classes", "start")
		if _, ok := x.mod.Memory().Read(uint32(p), 256); err == nil && !ok {
			err = errors.New("byte_classes lies outside the memory")
		}
		if err != nil {
			return err
		}
	}
	if x.mod.ExportedFunction("arena") == nil {
		return nil
	}
	a, err := x.call("arena", "start") // it asks alloc all the same
	if _, ok := x.mod.Memory().Read(uint32(a), uint32(a>>32)); err == nil && !ok {
		err = errors.New("the arena lies outside the memory")
	}
	return err
}

// call runs an export.
func (x *visit) call(name, stage string, args ...uint64) (uint64, error) {
	x.stage = stage
	ctx, cancel := context.WithTimeout(x.ctx, patience)
	defer cancel()
	out, err := x.mod.ExportedFunction(name).Call(ctx, args...)
	if err != nil || len(out) == 0 {
		return 0, err
	}
	return out[0], nil
}

// hook gives a hook its text.
func (x *visit) hook(name string, text []byte, more ...uint64) (uint64, error) {
	if x.fault == "two buffers" && name == inText {
		_, _ = x.call("alloc", "alloc", uint64(len(text)))
	}
	p, err := x.call("alloc", "alloc", uint64(len(text)))
	if err != nil {
		return 0, err
	}
	if p == 0 || !x.mod.Memory().Write(uint32(p), text) {
		return 0, errors.New("alloc gave no buffer")
	}
	return x.call(name, name, append([]uint64{p, uint64(len(text))}, more...)...)
}

// show is one call of on_text; it gives what is settled.
func (x *visit) show(window []byte, left int, end bool, flags uint32) (int, error) {
	x.text, x.left, x.last, x.edits = window, left, left, nil
	if end {
		flags |= 1
	}
	switch x.fault {
	case "reserved flag":
		flags |= 1 << 8
	case "no state":
		x.state = 0
	}
	ret, err := x.hook(inText, window, uint64(flags|uint32(left)<<16), x.state)
	n := int(int64(ret))
	switch {
	case err != nil:
		return 0, err
	case n < left || n > len(window) || n < x.last || end && (n != len(window) || x.open) || !between(window, n):
		return 0, fmt.Errorf("settled %d of %d to %d, last span to %d, open %v", n, left, len(window), x.last, x.open)
	}
	return n, nil
}

// between tells whether no character of text crosses offset i.
func between(text []byte, i int) bool { return i >= len(text) || utf8.RuneStart(text[i]) }

// must ends the guest's call where a rule is broken.
func must(holds bool, rule string, args ...any) {
	if !holds {
		panic(fmt.Errorf(rule, args...))
	}
}

// imports is the module "sluice".
func (h *host) imports(ctx context.Context) error {
	b := h.rt.NewHostModuleBuilder("sluice")
	export := func(name string, f any) { b.NewFunctionBuilder().WithFunc(f).Export(name) }
	// in gives the exchange to a function that may be called in some hooks.
	in := func(ctx context.Context, name, hooks string) *visit {
		x := ctx.Value(visitKey{}).(*visit)
		must(x.fault == "any hook" || slices.Contains(strings.Fields(hooks), x.stage), "%s in %s", name, x.stage)
		return x
	}
	export("redact", func(ctx context.Context, start, end, p, n uint32) int32 {
		x := in(ctx, "redact", inText)
		must(start != end, "an empty finding")
		return x.add(edit{"redact", x.kind(p, n), int(start), int(end)}, false)
	})
	export("redact_open", func(ctx context.Context, start, p, n uint32) int32 {
		x := in(ctx, "redact_open", inText)
		x.add(edit{"open", x.kind(p, n), int(start), int(start)}, false)
		x.open = true
		return 0
	})
	export("redact_close", func(ctx context.Context, end uint32) int32 {
		x := in(ctx, "redact_close", inText)
		x.add(edit{"close", "", int(end), int(end)}, true)
		x.open = false
		return 0
	})
	export("replace", func(ctx context.Context, start, end, p, n uint32) int32 {
		x := in(ctx, "replace", inText)
		return x.add(edit{"replace", x.read(p, n, 1<<20), int(start), int(end)}, false)
	})
	export("next_state", func(ctx context.Context, word uint64) int32 {
		in(ctx, "next_state", inText).state = word
		return 0
	})
	export("set", func(ctx context.Context, p, n, q, m uint32) int32 {
		x := in(ctx, "set", inRequest)
		name := x.read(p, n, 64)
		must(name != "", "a parameter without a name")
		x.set[name] = x.read(q, m, 1<<20)
		return 0
	})
	export("message", func(ctx context.Context, where, role, p, n uint32) int32 {
		x := in(ctx, "message", inRequest)
		must(where < 2 && role >= 1 && role <= 3, "where %d, role %d", where, role)
		x.messages = append(x.messages, fmt.Sprint([]string{"first", "last"}[where], " ", roles[role], " ", x.read(p, n, 1<<20)))
		return 0
	})
	export("label", func(ctx context.Context, p, n, q, m uint32) int32 {
		x := in(ctx, "label", inHooks)
		x.label(x.read(p, n, 64), x.read(q, m, 64))
		return 0
	})
	export("reject", func(ctx context.Context, p, n, q, m uint32) int32 {
		x := in(ctx, "reject", inHooks)
		code := x.read(p, n, 64)
		x.read(q, m, 1<<20)
		must(codeWord.MatchString(code), "a code")
		if x.reject == "" {
			x.reject = code
		}
		return 0
	})
	export("get", func(ctx context.Context, p, n, buf, limit uint32) int32 {
		x := in(ctx, "get", inHooks)
		name := x.read(p, n, 64)
		value, granted := x.facts[name]
		must(granted && slices.Contains(strings.Fields(everyFact), name), "a fact that is not granted")
		if value == "" || name == "message.role" && x.stage != inText {
			return -1
		}
		must(x.mod.Memory().Write(buf, []byte(value[:min(len(value), int(limit))])), "a pointer")
		return int32(len(value))
	})
	export("log", func(ctx context.Context, level, p, n uint32) int32 {
		x := in(ctx, "log", "start on_config "+inHooks)
		if line := x.read(p, n, 1<<20); level >= 3 {
			x.reason = line
		}
		if x.logs++; x.logs > 16 {
			return -4
		}
		return 0
	})
	_, err := b.Instantiate(ctx)
	return err
}

// read copies text out of the guest's memory.
func (x *visit) read(p, n uint32, limit int) string {
	b, ok := x.mod.Memory().Read(p, n)
	must(ok && len(b) <= limit && utf8.Valid(b), "a pointer, or a text of %d bytes", n)
	return string(b)
}

func (x *visit) kind(p, n uint32) string {
	kind := x.read(p, n, 32)
	must(kindWord.MatchString(kind), "a kind")
	return kind
}

func (x *visit) add(e edit, open bool) int32 {
	if x.fault == "any span" {
		return 0
	}
	must(x.open == open, "%s while open is %v", e.what, x.open)
	must(x.last <= e.start && e.start <= e.end && e.end <= len(x.text), "a span %d to %d behind %d", e.start, e.end, x.last)
	must(between(x.text, e.start) && between(x.text, e.end), "a span inside a character")
	x.edits, x.last = append(x.edits, e), e.end
	return 0
}

func (x *visit) label(key, word string) {
	must(labelWord.MatchString(key) && labelWord.MatchString(word), "a label")
	was := x.labels[key]
	n, err := strconv.ParseInt(word, 10, 64)
	switch {
	case word == "true" || word == "false":
		old, _ := was.(bool)
		x.labels[key] = old || word == "true"
	case err == nil && strconv.FormatInt(n, 10) == word:
		if old, ok := was.(int64); ok {
			n = max(n, old)
		}
		x.labels[key] = n
	default:
		x.labels[key] = word
	}
	must(len(x.labels) <= 32, "too many labels")
}
