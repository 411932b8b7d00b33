package filter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

const pageSize = 64 << 10

// coreFeatures are those that meter can rewrite.
const coreFeatures = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst

// module is a filter's compiled code, alone in a wazero runtime of its own, so that names never clash and closing it
// frees everything.
type module struct {
	rt           wazero.Runtime
	compiled     wazero.CompiledModule
	info         meter.Info
	handler      bool // an http-wasm handler; else a filter of the native ABI
	snap         *snapshot
	unrestorable []string
	once         sync.Once
	closed       error
}

// close frees the module. It may be called more than once.
func (m *module) close(ctx context.Context) error {
	m.once.Do(func() {
		if m.compiled != nil {
			_ = m.compiled.Close(ctx) // it only frees memory
		}
		m.closed = m.rt.Close(ctx)
	})
	return m.closed
}

// Load takes a module through every step up to the first call: it checks the Spec and the module's ABI, adds metering,
// compiles, hands over the configuration, runs warm-up calls and takes the snapshot. The error names the filter, the
// step and what to do.
func (e *Engine) Load(ctx context.Context, s Spec) (*Filter, error) {
	f, err := e.load(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", s.Name, err)
	}
	return f, nil
}

func (e *Engine) load(ctx context.Context, s Spec) (*Filter, error) {
	f, err := e.prepare(s)
	if err != nil {
		return nil, err
	}
	m, err := f.compile(ctx, s.Module)
	if err != nil {
		return nil, err
	}
	if err := f.open(ctx, m); err != nil {
		_ = m.close(ctx)
		return nil, err
	}
	e.janitor.add(f.pool)
	return f, nil
}

// prepare makes a filter that has no module yet.
func (e *Engine) prepare(s Spec) (*Filter, error) {
	s.Limits = s.Limits.withDefaults()
	if err := s.check(); err != nil {
		return nil, err
	}
	if n := len(s.Module); n > s.Limits.ModuleBytes {
		return nil, at(StageSize, fmt.Errorf("the module has %d bytes, over the limit of %d", n, s.Limits.ModuleBytes))
	}
	sum := sha256.Sum256(s.Module)
	f := &Filter{spec: s, digest: hex.EncodeToString(sum[:]), engine: e, grants: map[string]bool{}}
	for _, name := range s.Grants {
		f.grants[name] = true
	}
	f.key = f.behaviour()
	f.kinds.init(s.Actions)
	f.spec.Module = nil
	return f, nil
}

// open gives a prepared filter its module and its first instance.
func (f *Filter) open(ctx context.Context, m *module) error {
	f.mod = m
	f.pool = newPool(f, f.spec.Limits.Instances)
	if err := f.start(ctx); err != nil {
		return err
	}
	return nil
}

// Close waits for the calls that run and frees the filter. Later calls fail.
func (f *Filter) Close(ctx context.Context) error {
	f.engine.janitor.remove(f.pool)
	if err := f.pool.close(ctx); err != nil {
		return err
	}
	return f.mod.close(ctx)
}

// compile meters, checks and compiles the module.
func (f *Filter) compile(ctx context.Context, code []byte) (*module, error) {
	if err := checkHeader(code); err != nil {
		return nil, at(StageABI, err)
	}
	out, info, err := meter.Rewrite(code, meter.Options{MaxPages: uint32(f.spec.Limits.MemoryPages)})
	if err != nil {
		return nil, at(StageRewrite, fmt.Errorf("the module can't be metered: %w", err))
	}
	if err := checkABI(&info); err != nil {
		return nil, at(StageABI, err)
	}
	handler := !exportsFunc(&info, abiExport)
	if err := f.spec.suits(handler); err != nil {
		return nil, err
	}
	config := wazero.NewRuntimeConfig().WithCompilationCache(f.engine.cache).WithCoreFeatures(coreFeatures).
		WithMemoryLimitPages(uint32(f.spec.Limits.MemoryPages)).WithDebugInfoEnabled(false)
	m := &module{rt: wazero.NewRuntimeWithConfig(ctx, config), info: info, unrestorable: info.Unrestorable, handler: handler}
	err = m.provide(ctx)
	if err == nil {
		m.compiled, err = m.rt.CompileModule(ctx, out)
	}
	if err != nil {
		_ = m.close(ctx)
		return nil, at(StageCompile, err)
	}
	return m, nil
}

// start brings the first instance up, checks its hooks, warms it up and takes the snapshot.
func (f *Filter) start(ctx context.Context) error {
	in, err := f.mod.instantiate(ctx, f, f.spec.Limits.Load)
	if err != nil {
		return at(StageCompile, err)
	}
	if err := f.ready(ctx, in, f.spec.Limits.Load); err != nil {
		in.close()
		return err
	}
	if err := f.readClasses(ctx, in); err != nil {
		in.close()
		return err
	}
	if err := f.readArena(ctx, in); err != nil {
		in.close()
		return err
	}
	if in, err = f.warmed(ctx, in); err != nil {
		return at(StageWarm, err)
	}
	if len(f.mod.unrestorable) > 0 {
		in.close()
		return nil
	}
	in.emptyArena()
	f.mod.snap = in.snapshot()
	in.restore(f.mod.snap)
	in.tally = tally{} // that of the warm-up
	f.pool.idle = append(f.pool.idle, in)
	return nil
}

// ready initialises a new instance and hands over the configuration; each may use limit of guest time.
func (f *Filter) ready(ctx context.Context, in *instance, limit time.Duration) error {
	c := &in.call
	c.ctx = ctx
	c.clock.start(limit)
	if init := in.mod.ExportedFunction("_initialize"); init != nil {
		if err := in.enter(init, inStart); err != nil {
			return at(StageABI, fmt.Errorf("_initialize: %w", err))
		}
	}
	if f.mod.handler {
		return at(StageABI, f.readyHandler(in))
	}
	if err := in.enter(in.mod.ExportedFunction(abiExport), inStart); err != nil {
		return at(StageABI, fmt.Errorf("%s: %w", abiExport, err))
	}
	if f.hooks == 0 {
		got, err := f.chooseHooks(hooks(uint32(in.stack[0])))
		if err != nil {
			return at(StageABI, err)
		}
		f.hooks = got
	}
	return at(StageConfig, f.configure(ctx, in, limit))
}

// chooseHooks holds what the module offers against what the configuration wants.
func (f *Filter) chooseHooks(has hooks) (hooks, error) {
	if unknown := has &^ hooksKnown; unknown != 0 {
		return 0, fmt.Errorf("%s returns hooks of a later version (bits %#x): build it for version 1", abiExport, uint32(unknown))
	}
	for _, x := range hookTable {
		if has&x.hook != 0 && !exportsFunc(&f.mod.info, x.export) {
			return 0, fmt.Errorf("%s announces %s, but the module does not export it", abiExport, x.export)
		}
	}
	var want hooks
	if f.spec.Any {
		want = has
	}
	if f.spec.Request {
		want |= hookRequest | hookRequestText
	}
	if f.spec.Answer {
		want |= hookResponse | hookAnswerText
	}
	got := has & want
	if f.proof && got != 0 {
		return got, nil
	}
	for _, d := range []Direction{OnRequest, OnAnswer} {
		if want.any(d) && !got.any(d) {
			return 0, fmt.Errorf("it is wanted on %s, but has hooks only for: %s", d, strings.Join(has.names(), ", "))
		}
	}
	if got&hookResponse != 0 && f.spec.Whole == "" {
		return 0, fmt.Errorf("on_response needs the whole answer: say what to do with streams, stream: %s or stream: %s", WholeBuffer, WholeRefuse)
	}
	return got, nil
}

// configure runs on_config. What it logs as an error is the reason of its refusal.
func (f *Filter) configure(ctx context.Context, in *instance, limit time.Duration) error {
	config := f.spec.Config
	if in.hooks[inConfig] == nil {
		if len(config) > 0 {
			return fmt.Errorf("it takes no configuration (the module does not export on_config)")
		}
		return nil
	}
	if len(config) == 0 {
		config = []byte("{}")
	}
	in.call.begin(nil, 0)
	in.call.fault = ""
	ret, err := in.invoke(ctx, inConfig, config, limit)
	switch {
	case err != nil:
		return err
	case uint32(ret) != 0 && in.call.fault != "":
		return fmt.Errorf("on_config refuses the configuration: %s", in.call.fault)
	case uint32(ret) != 0:
		return fmt.Errorf("on_config refuses the configuration (%d) and logs no reason", int32(ret))
	}
	return nil
}

// instance makes one more instance. Where the module can be put back, it is the snapshot that makes it ready.
func (f *Filter) instance(ctx context.Context) (*instance, error) {
	limit := f.spec.Limits.Total
	if f.proof {
		limit = f.spec.Limits.Load
	}
	in, err := f.mod.instantiate(ctx, f, limit)
	if err != nil {
		return nil, err
	}
	if f.mod.snap != nil {
		if in.restore(f.mod.snap) {
			return in, nil
		}
		err = breach("a new instance can't be put into the snapshot's state")
	} else {
		err = f.ready(ctx, in, limit)
	}
	if err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// warmText has what usual filters look for, so that warm-up calls take their slow paths too.
const warmText = "Dear Ana, write to ana@example.com or +1 202 555 0143 about card 4111 1111 1111 1111. "

// warmBody stands for a request and for an answer.
const warmBody = `{"model":"m","messages":[{"role":"user","content":"` + warmText + `"}],"choices":[{"message":{"content":"` + warmText + `"}}]}`

// warm runs the hooks a few times, first over a full window: guests take what memory they need once, so that it is part
// of the snapshot. Straight after their start some garbage-collected guests have no room for a hundred calls.
func (f *Filter) warm(ctx context.Context, in *instance) error {
	if f.mod.handler {
		return f.warmHandler(ctx, in)
	}
	if in.hooks[inText] != nil && f.hooks&(hookRequestText|hookAnswerText) != 0 {
		full := []byte(strings.Repeat(warmText, windowSize/len(warmText)))
		for _, text := range [][]byte{full, full[:1024], full[:len(warmText)]} {
			in.call.begin(text, 0)
			if _, err := in.invoke(ctx, inText, text, f.spec.Limits.Load, flagEnd, 0); err != nil {
				return err
			}
		}
	}
	for _, s := range []stage{inRequest, inResponse} {
		if (s == inRequest && f.hooks&hookRequest == 0) || (s == inResponse && f.hooks&hookResponse == 0) {
			continue
		}
		in.call.begin(nil, 0)
		if _, err := in.invoke(ctx, s, []byte(warmBody), f.spec.Limits.Load); err != nil {
			return err
		}
	}
	return nil
}

var filterName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// check finds what is wrong with a Spec apart from its module.
func (s *Spec) check() error {
	switch {
	case !filterName.MatchString(s.Name):
		return fmt.Errorf("a name is 1 to 64 of a-z, 0-9, _ and -, a letter or digit first")
	case s.Name == ownLabels:
		return fmt.Errorf("%q is the gateway's own name for labels: choose another", ownLabels)
	case !s.Request && !s.Answer && !s.Any:
		return fmt.Errorf("it is wanted neither on requests nor on answers")
	case s.Whole != "" && s.Whole != WholeBuffer && s.Whole != WholeRefuse:
		return fmt.Errorf("stream is %q: want %s or %s", s.Whole, WholeBuffer, WholeRefuse)
	case s.View != "" && s.View != ViewSynthetic && s.View != ViewFull:
		return fmt.Errorf("view is %q: want %s or %s", s.View, ViewSynthetic, ViewFull)
	case s.Isolation != "" && s.Isolation != IsolateExchange && s.Isolation != IsolateTenant:
		return fmt.Errorf("isolation is %q: want %s or %s", s.Isolation, IsolateExchange, IsolateTenant)
	case s.Limits.MemoryPages > 65536:
		return fmt.Errorf("a limit of %d memory pages: there are at most 65536", s.Limits.MemoryPages)
	}
	for _, name := range s.Grants {
		if !knownFact(name) {
			return fmt.Errorf("grants has %q: want one of %s", name, strings.Join(append(factNames[:], factRole), ", "))
		}
	}
	return s.Actions.check(len(s.HMACKey) > 0)
}

// behaviour is the digest that Key gives.
func (f *Filter) behaviour() string {
	s := &f.spec
	limits := s.Limits
	limits.Instances, limits.Idle = 0, 0 // they change what it costs, not what it does
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(struct {
		Digest          string
		Request, Answer bool
		Config          []byte
		Actions         Actions
		Grants          []string
		FailOpen        bool
		Whole, View     string
		Tenant          bool
		Limits          Limits
		HMACKey         []byte
	}{f.digest, s.Request, s.Answer, s.Config, s.Actions, s.Grants, s.FailOpen, s.Whole, s.View, s.Isolation == IsolateTenant, limits, s.HMACKey}) // a hash takes every write
	return hex.EncodeToString(h.Sum(nil))
}

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	or := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	span := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	or(&l.ModuleBytes, 16<<20)
	or(&l.MemoryPages, 256)
	or(&l.Instances, max(4, 2*runtime.GOMAXPROCS(0)))
	or(&l.Output, 1<<20)
	or(&l.Labels, 32)
	or(&l.Logs, 16)
	or(&l.Open, 256<<10)
	or(&l.Lanes, 256)
	or(&l.Held, 512<<10)
	span(&l.Base, 50*time.Millisecond)
	span(&l.PerByte, 2*time.Microsecond)
	span(&l.Total, MaxGuestTime)
	span(&l.Load, 2*time.Second)
	span(&l.Idle, 5*time.Minute)
	return l
}
