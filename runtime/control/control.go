// Package control is the composition root: it makes Snapshots of the configuration and of the files it names, and
// swaps them. Nothing it does can fail a request: a generation is built whole, checked, compiled and warmed up before
// the one swap, and when any of that fails the last good one keeps serving while the fault is logged, counted and shown
// by readiness.
//
//	sluice.yaml, .wasm, .rego, data, secrets ─► read ─► build ─► verify ─► compile ─► warm ─► ONE swap ─► drain the old
//
// It holds no per-request logic.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/audit"
	"github.com/sluicegate/sluice/runtime/auth"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/credential"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/metrics"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Options say where the configuration is. Config and Logger are required.
type Options struct {
	Config   string // path of sluice.yaml
	CacheDir string // private folder for compiled filters; "" means one under the user's cache folder
	// Shapes are the kinds of strings in the bodies that the public listener takes, for Coverage; see server.Shapes.
	Shapes []wire.Shape
	// Logger makes the program's logger as the configuration wants it. It is called once.
	Logger func(config.Log) *slog.Logger
	// Tested remembers what policies' own tests said, for a process that opens many Controllers; nil: each has them run.
	Tested *Tested
}

// Controller builds generations and installs them. It is safe for concurrent use.
type Controller struct {
	path        string // of the config
	shapes      []wire.Shape
	tested      *Tested
	dry         bool // only checking: nothing is written
	log         *slog.Logger
	engine      *filter.Engine
	registry    *upstream.Registry
	watcher     upstream.Watcher
	credentials credential.Store
	pairs       pairStore
	metrics     *metrics.Metrics
	ids         *pipeline.Mint // of callers' state, where the configuration has no key
	pipeline    *pipeline.Pipeline
	sources     *auth.Sources
	ephemeral   *auth.Ephemeral
	admin       adminToken
	filters     filterStore
	logs        logStore
	images      imageStore
	failed      tallies       // filters that did not go live, by stage
	rollbacks   tallies       // versions taken back, by reason
	refusals    counts        // policies that did not pass the gate, by stage
	fetches     tallies       // bundles that were asked for and not taken, by name and stage
	tripped     chan struct{} // a canary has switched itself off

	building sync.Mutex      // one build at a time
	next     uint64          // generation; under building
	proved   map[string]bool // self-tests passed; under building

	mu      sync.Mutex // of what follows; never held for long
	current *generation
	seen    fileSet // the files as they were when last built, well or not
	ending  bool
	endErrs []error // of the generations that closed while ending

	open     sync.WaitGroup // generations not yet closed
	status   atomic.Pointer[Status]
	feed     atomic.Pointer[feed] // the current generation's; nil is none
	stopping atomic.Bool
}

// Open reads the configuration and serves it as the first generation. The error is all the faults found.
//
// Where the policy is a bundle, it waits a few seconds for it. A gateway without one serves, is not ready and refuses all.
func Open(ctx context.Context, o Options) (*Controller, error) {
	c, err := open(ctx, o, false)
	if err == nil {
		c.firstBundle(ctx)
	}
	return c, err
}

func open(ctx context.Context, o Options, dry bool) (*Controller, error) {
	o.Config = filepath.Clean(o.Config)
	in := read(o.Config)
	if in.err != nil {
		return nil, in.err
	}
	c, err := newController(o, in.cfg.Log, dry)
	if err != nil {
		return nil, err
	}
	c.building.Lock()
	defer c.building.Unlock()
	gen, err := c.build(ctx, in, nil)
	if err != nil {
		return nil, errors.Join(err, c.end(context.WithoutCancel(ctx)))
	}
	c.keepOrWarn(gen)
	c.install(gen, "start")
	return c, nil
}

func newController(o Options, settings config.Log, dry bool) (*Controller, error) {
	log := o.Logger(settings)
	engine, err := filter.NewEngine(filter.Options{CacheDir: cacheDir(o.CacheDir, log), Logger: log})
	if err != nil {
		return nil, fmt.Errorf("compiled filters cannot be kept: %w; name another folder with --cache-dir", err)
	}
	c := &Controller{
		path: o.Config, shapes: o.Shapes, tested: o.Tested, dry: dry, log: log, engine: engine, registry: &upstream.Registry{}, metrics: metrics.New(),
		filters: filterStore{engine: engine, held: map[string]*heldFilter{}}, logs: logStore{refs: map[*audit.Log]int{}},
		ids: pipeline.NewMint(), sources: auth.NewSources(log), ephemeral: auth.NewEphemeral(), tripped: make(chan struct{}, 1), proved: map[string]bool{},
	}
	c.pipeline = pipeline.New(pipeline.Options{Metrics: c.metrics, Logger: log, Access: settings.Access})
	c.status.Store(&Status{})
	c.figures()
	return c, nil
}

// Logger is the program's logger.
func (c *Controller) Logger() *slog.Logger { return c.log }

// Pipeline is where the Controller installs its generations.
func (c *Controller) Pipeline() *pipeline.Pipeline { return c.pipeline }

// Metrics are the process's metrics.
func (c *Controller) Metrics() *metrics.Metrics { return c.metrics }

// errEnded is the error of a reload after Close.
var errEnded = errors.New("control: the gateway is closed")

// Reload builds the configuration as it now stands and installs it. On any fault the last good generation stays, and
// the error, which Status shows too, is all the faults found.
func (c *Controller) Reload(ctx context.Context, why string) error {
	c.building.Lock()
	defer c.building.Unlock()
	c.images.refresh(true)
	return c.reload(ctx, why)
}

// reload is Reload under the lock.
func (c *Controller) reload(ctx context.Context, why string) error {
	if c.generation() == nil {
		return errEnded
	}
	gen, err := c.build(ctx, read(c.path), nil)
	switch {
	case err == nil:
		c.keepOrWarn(gen)
		c.install(gen, why)
		return nil
	case ctx.Err() != nil: // given up, which says nothing about the configuration
		return err
	}
	c.refused(why, err)
	return err
}

// keepOrWarn writes down what is live. Where that cannot be done, as in a folder that is mounted read-only, the generation
// is as good; only the way back is lost with the process.
func (c *Controller) keepOrWarn(gen *generation) {
	if err := c.keep(gen); err != nil {
		c.log.Warn("the deploy folder cannot be written: after a restart there is no version to go back to, and none counts as accepted before", "error", err)
	}
}

func (c *Controller) refused(why string, err error) {
	st := *c.status.Load()
	st.Fault, st.FaultSince = err.Error(), time.Now()
	c.status.Store(&st)
	c.metrics.Reload(false, st.Generation)
	c.log.Error("reload refused, the last good generation stays", "generation", st.Generation, "reason", why, "fault", err)
}

// install swaps to a generation that was built. From here on the pipeline closes it.
func (c *Controller) install(gen *generation, why string) {
	if was := c.generation(); was != nil {
		c.restartNeeded(was.config, gen.config)
	}
	c.open.Add(1)
	gen.snap.Close = func() { go c.retired(gen) } // not on the time of the exchange that ends last
	c.metrics.Models(gen.snap.Names)
	c.mu.Lock()
	c.current = gen
	c.mu.Unlock()
	c.pipeline.Install(gen.snap)
	c.watch(gen)
	c.status.Store(gen.status)
	c.follow(gen.feed)
	c.metrics.Reload(true, gen.snap.Generation)
	c.log.Info("generation installed", "generation", gen.snap.Generation, "reason", why, "policy", gen.status.Policy,
		"filters", len(gen.status.Filters), "models", len(gen.status.Models), "took", time.Since(gen.status.Since))
}

// retired closes a generation that no exchange is on any more.
func (c *Controller) retired(gen *generation) {
	defer c.open.Done()
	err := gen.close()
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		c.endErrs = append(c.endErrs, err)
		return
	}
	c.log.Error("a retired generation did not close cleanly", "generation", gen.snap.Generation, "error", err)
}

// restartNeeded tells of settings that a running process cannot change.
func (c *Controller) restartNeeded(was, now *config.Config) {
	tell := func(setting string, changed bool) {
		if changed {
			c.log.Warn("a setting changes with the next start only", "setting", setting)
		}
	}
	tell("listen", was.Listen != now.Listen)
	tell("admin", !sameListener(was.Admin, now.Admin))
	tell("tls", (was.TLS == nil) != (now.TLS == nil))
	tell("http2", was.HTTP2 != now.HTTP2)
	tell("timeouts", bounds(was.Timeouts) != bounds(now.Timeouts))
	tell("limits.header", was.Limits.Header != now.Limits.Header)
	tell("limits.exchanges", was.Limits.Exchanges != now.Limits.Exchanges)
	tell("limits.connections", was.Limits.Connections != now.Limits.Connections)
	tell("limits.streams", was.Limits.Streams != now.Limits.Streams)
	tell("limits.inflation", was.Limits.Inflation != now.Limits.Inflation)
	tell("log", was.Log != now.Log)
}

// bounds are the timeouts that the listener has: the others are the generation's.
func bounds(t config.Timeouts) config.Timeouts {
	t.Request, t.Heartbeat = 0, 0
	return t
}

// generation is the current one, nil before the first and after Close.
func (c *Controller) generation() *generation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// Config is the configuration of the current generation, nil after Close.
func (c *Controller) Config() *config.Config {
	if gen := c.generation(); gen != nil {
		return gen.config
	}
	return nil
}

// Stopping makes the gateway unready, so that no more callers are sent to it while the last exchanges finish.
func (c *Controller) Stopping() { c.stopping.Store(true) }

// Close retires the last generation and waits until every one has closed, or ctx ends. The pipeline should have been
// drained. The error tells of audit records that could not be written, too.
func (c *Controller) Close(ctx context.Context) error {
	c.building.Lock()
	defer c.building.Unlock()
	return c.end(ctx)
}

func (c *Controller) end(ctx context.Context) error {
	c.mu.Lock()
	c.current, c.ending = nil, true
	c.mu.Unlock()
	c.pipeline.Retire()
	c.watcher.Close()
	if f := c.feed.Load(); f != nil {
		f.client.Halt()
		defer f.client.Close(context.WithoutCancel(ctx)) // after the last decision
	}
	closed := make(chan struct{})
	go func() { defer close(closed); c.open.Wait() }()
	var late error
	select {
	case <-closed:
	case <-ctx.Done():
		late = fmt.Errorf("exchanges were still running at the end: %w", ctx.Err())
	}
	c.sources.Close()
	err := c.engine.Close(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(append(c.endErrs, late, err)...)
}
