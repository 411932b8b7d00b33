package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluicegate/sluice/filters"
	"github.com/sluicegate/sluice/runtime/filter"
)

// maxModule is the engine's default limit.
const maxModule = 16 << 20

// source is a filter as a command names it: a module's path, or builtin:NAME.
type source struct {
	arg     string // as it was typed
	name    string // a filter's name made of it
	module  []byte
	vectors []byte // nil: there are none
	where   string // where the vectors are, or would be
}

// openSource reads a module and, unless they are named, the vectors beside it.
func openSource(arg, vectors string) (*source, error) {
	s := &source{arg: arg}
	var err error
	if name, ok := strings.CutPrefix(arg, "builtin:"); ok {
		if s.module, ok = filters.Builtin(name); !ok {
			return nil, fmt.Errorf("there is no builtin:%s; there are %s", name, strings.Join(filters.Builtins(), ", "))
		}
		s.name, s.where = name, arg+"'s vectors"
		s.vectors, _ = filters.Vectors(name)
	} else {
		if s.module, err = readFile(arg, maxModule); err != nil {
			return nil, err
		}
		stem := strings.TrimSuffix(arg, filepath.Ext(arg))
		s.name, s.where = nameOf(filepath.Base(stem)), stem+".vectors.json"
		if s.vectors, err = readFile(s.where, maxModule); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil && vectors != "" {
		s.where = vectors
		s.vectors, err = readFile(vectors, maxModule)
	}
	return s, err
}

// readFile reads a whole file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is over the limit of %d bytes", path, limit)
	}
	return b, err
}

// nameOf makes a filter's name of a file's.
func nameOf(stem string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(stem))
	if name = strings.TrimLeft(name, "-_"); name == "" {
		name = "filter"
	}
	return name[:min(len(name), 64)]
}

// parsed are the vectors. The error names their file.
func (s *source) parsed() ([]filter.Vector, error) {
	if s.vectors == nil {
		return nil, fmt.Errorf("%s has no vectors: write some into %s, or name a file with --vectors", s.arg, s.where)
	}
	out, err := filter.ParseVectors(s.vectors)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.where, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no vector", s.where)
	}
	return out, nil
}

// filterEngine makes an engine that keeps compiled modules where the gateway does, so that the second run of a command is
// quick; in memory where there is no such folder.
func filterEngine() (*filter.Engine, error) {
	if base, err := os.UserCacheDir(); err == nil {
		dir := filepath.Join(base, "sluice", "wasm")
		if os.MkdirAll(dir, 0o700) == nil {
			if e, err := filter.NewEngine(filter.Options{CacheDir: dir}); err == nil {
				return e, nil
			}
		}
	}
	return filter.NewEngine(filter.Options{})
}
