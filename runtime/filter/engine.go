package filter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
)

// Options configure an Engine. The zero value works.
type Options struct {
	// CacheDir keeps compiled modules over restarts. It holds native code that will be run: it is made with mode 0700
	// and refused when others can reach it. "" keeps them in memory.
	CacheDir string
	// Logger gets what filters log; nil discards it.
	Logger *slog.Logger
	// TenantCalls is how many calls of one tenant's exchanges may run in filters at once; more wait. 0 is GOMAXPROCS.
	TenantCalls int
}

// Engine loads filters. All of them share one cache of compiled code. It is safe for concurrent use.
type Engine struct {
	cache   wazero.CompilationCache
	log     *slog.Logger
	tenants tenants
	janitor janitor
	heavy   atomic.Int32 // guests that run now and are paced; see clock.rest
}

// NewEngine makes an engine. Close it after all its filters.
func NewEngine(o Options) (*Engine, error) {
	e := &Engine{log: o.Logger}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.tenants.limit = o.TenantCalls
	if e.tenants.limit <= 0 {
		e.tenants.limit = runtime.GOMAXPROCS(0)
	}
	if o.CacheDir == "" {
		e.cache = wazero.NewCompilationCache()
		return e, nil
	}
	if err := privateDir(o.CacheDir); err != nil {
		return nil, err
	}
	var err error
	if e.cache, err = wazero.NewCompilationCacheWithDir(o.CacheDir); err != nil {
		return nil, fmt.Errorf("open the cache of compiled filters: %w", err)
	}
	return e, nil
}

// privateDir makes a directory that only this user can reach, or checks that one is. What is in it is run as native
// code, so whoever can write to it owns the process.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the cache of compiled filters: %w", err)
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("look at the cache of compiled filters: %w", err)
	case !info.IsDir():
		return &fs.PathError{Op: "open the cache of compiled filters", Path: dir, Err: errors.New("not a directory")}
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return &fs.PathError{Op: "open the cache of compiled filters", Path: dir, Err: errors.New("others can reach it: chmod 0700")}
	}
	return nil
}

// Close frees the compiled code. All filters must be closed before.
func (e *Engine) Close(ctx context.Context) error {
	e.janitor.stop()
	return e.cache.Close(ctx)
}
