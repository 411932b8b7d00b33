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
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/audit"
	"github.com/sluicegate/sluice/runtime/auth"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/metrics"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/upstream"
)

// Options say where the configuration is. Config and Logger are required.
type Options struct {
	Config   string // path of sluice.yaml
	CacheDir string // private folder for compiled filters; "" means one under the user's cache folder
	Logger   *slog.Logger
}

// Controller builds generations and installs them. It is safe for concurrent use.
type Controller struct {
	opts     Options
	log      *slog.Logger
	engine   *filter.Engine
	registry *upstream.Registry
	metrics  *metrics.Metrics
	pipeline *pipeline.Pipeline
	sources  *auth.Sources
	filters  filterStore

	dry      bool // only checking: nothing is written

	logsMu sync.Mutex
	logs   map[*audit.Log]int // generations on each

	mu        sync.Mutex // one build at a time
	current   *generation
	next      uint64
	seen      fileSet // the files as they were when last built, well or not
	ephemeral *auth.Ephemeral
	status    atomic.Pointer[Status]
}

// New makes a Controller and its Pipeline; Load gives it something to serve.
func New(o Options) (*Controller, error) {
	dir, err := cacheDir(o.CacheDir)
	if err != nil {
		return nil, err
	}
	engine, err := filter.NewEngine(filter.Options{CacheDir: dir, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	c := &Controller{
		opts: o, log: o.Logger, engine: engine, registry: &upstream.Registry{}, metrics: metrics.New(),
		filters: filterStore{engine: engine, held: map[string]*heldFilter{}}, logs: map[*audit.Log]int{},
		sources: auth.NewSources(o.Logger), ephemeral: auth.NewEphemeral(),
	}
	c.pipeline = pipeline.New(pipeline.Options{Metrics: c.metrics, Logger: o.Logger})
	c.status.Store(&Status{})
	return c, nil
}

// cacheDir is the folder for compiled filters. It holds native code, so it belongs to this user alone.
func cacheDir(dir string) (string, error) {
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", nil // no home: compile in memory, which only costs time at start
		}
		dir = filepath.Join(base, "sluice", "wasm")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the folder for compiled filters: %w; name another with --cache-dir", err)
	}
	return dir, nil
}

// Pipeline is where the Controller installs its generations.
func (c *Controller) Pipeline() *pipeline.Pipeline { return c.pipeline }

// Metrics are the process's metrics.
func (c *Controller) Metrics() *metrics.Metrics { return c.metrics }

// Reload builds the configuration as it now stands and installs it. On any fault the last good generation stays, and
// the error, which Status shows too, is all the faults found.
func (c *Controller) Reload(ctx context.Context, why string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	start := time.Now()
	gen, err := c.build(ctx)
	if err != nil {
		c.failed(why, err)
		return err
	}
	c.install(gen)
	c.metrics.Reload(true, gen.snap.Generation)
	c.log.Info("generation installed", "generation", gen.snap.Generation, "reason", why, "policy", gen.status.Policy,
		"filters", len(gen.status.Filters), "models", len(gen.status.Models), "took", time.Since(start))
	return nil
}

func (c *Controller) failed(why string, err error) {
	st := *c.status.Load()
	st.Fault, st.FaultSince = err.Error(), time.Now()
	c.status.Store(&st)
	c.metrics.Reload(false, st.Generation)
	c.log.Error("reload refused, the last good generation stays", "generation", st.Generation, "reason", why, "fault", err)
}

func (c *Controller) install(gen *generation) {
	c.restartNeeded(gen.config)
	c.current = gen
	c.status.Store(gen.status)
	c.pipeline.Install(gen.snap)
}

// restartNeeded tells of settings that a running process cannot change.
func (c *Controller) restartNeeded(now *config.Config) {
	if c.current == nil {
		return
	}
	was := c.current.config
	for name, changed := range map[string]bool{
		"listen": was.Listen != now.Listen, "timeouts": was.Timeouts != now.Timeouts, "log": was.Log != now.Log,
		"limits.header": was.Limits.Header != now.Limits.Header, "limits.exchanges": was.Limits.Exchanges != now.Limits.Exchanges,
	} {
		if changed {
			c.log.Warn("setting changes with the next start only", "setting", name)
		}
	}
}

// Config is the configuration of the current generation.
func (c *Controller) Config() *config.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return nil
	}
	return c.current.config
}

// Close ends what the Controller started. The pipeline must have been drained.
func (c *Controller) Close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	if c.current != nil {
		errs = append(errs, c.current.close())
		c.current = nil
	}
	c.sources.Close()
	errs = append(errs, c.engine.Close(ctx))
	return errors.Join(errs...)
}
