package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	builtin "github.com/sluicegate/sluice/filters"
	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/filter"
)

// The beginnings of modules that are no paths.
const (
	builtinPrefix = "builtin:"
	imagePrefix   = "oci://"
)

// place is one filter that a generation wants: an entry of the configuration, a file in the deploy folder, or both, or a
// version that was deployed.
type place struct {
	name   string
	path   string         // its field in the config; deploy.path where no entry has the name
	cfg    *config.Filter // its settings
	module string         // what the configuration names, or the folder has; "" where it was only deployed
}

// places are all filters in the order they run: those listed, then those that are only in the deploy folder, by name.
func (b *builder) places() []place {
	dropped := b.dropped()
	var out []place
	for i := range b.cfg.Filters {
		cfg := &b.cfg.Filters[i]
		p := place{name: cfg.Name, path: fmt.Sprintf("filters[%d]", i), cfg: cfg, module: cfg.Module}
		if file := dropped[cfg.Name]; file != "" {
			p.module = file
			delete(dropped, cfg.Name)
		}
		out = append(out, p)
	}
	listed := len(out)
	extra := func(name, module string) {
		if !slices.ContainsFunc(out, func(p place) bool { return p.name == name }) {
			cfg := config.DefaultFilter(name)
			out = append(out, place{name: name, path: "deploy.path", cfg: &cfg, module: module})
		}
	}
	for name, file := range dropped {
		extra(name, file)
	}
	for name, h := range b.state {
		if h.Pinned {
			extra(name, "")
		}
	}
	if b.deploy != nil && b.deploy.Artifact != nil {
		extra(b.deploy.Name, "")
	}
	slices.SortFunc(out[listed:], func(a, b place) int { return strings.Compare(a.name, b.name) })
	return out
}

// dropped are the modules that lie in the deploy folder, by the filters' names.
func (b *builder) dropped() map[string]string {
	out := map[string]string{}
	dir := b.deployDir()
	if dir == "" {
		return out
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		b.fault("deploy.path", "cannot read the folder: %v; make it, or name one that is there", err)
		return out
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), artifact.ModuleSuffix)
		switch {
		case !ok || strings.HasPrefix(name, "."):
		case !filterName.MatchString(name):
			b.fault("deploy.path", "%s: a filter is called as its file, and a name is 1 to 64 of a-z, 0-9, _ and -, a letter or digit first; rename it", e.Name())
		default:
			out[name] = filepath.Join(b.cfg.Deploy.Path, e.Name()) // as a configuration would name it
		}
	}
	return out
}

// deployDir is the deploy folder, "" without one.
func (b *builder) deployDir() string { return deployDir(b.cfg) }

func deployDir(cfg *config.Config) string {
	if cfg == nil || cfg.Deploy == nil || cfg.Deploy.Path == "" {
		return ""
	}
	return filepath.Clean(cfg.Path(cfg.Deploy.Path))
}

// open reads the module that a configuration names, with what belongs to it. The error names the stage.
func (b *builder) open(ctx context.Context, module string) (*artifact.Artifact, error) {
	if name, ok := strings.CutPrefix(module, builtinPrefix); ok {
		code, ok := builtin.Builtin(name)
		if !ok {
			return nil, stage(filter.StageRead, fmt.Errorf("no built-in filter %q; there are: %s", name, strings.Join(builtin.Builtins(), ", ")))
		}
		return &artifact.Artifact{Source: module, Module: code}, nil
	}
	if strings.HasPrefix(module, imagePrefix) {
		return b.c.images.get(ctx, b, module)
	}
	a, err := artifact.Read(b.cfg.Path(module))
	if path := (*fs.PathError)(nil); errors.As(err, &path) { // the path is named before it
		err = fmt.Errorf("cannot read the filter: %w; name a .wasm file, relative to the config file", path.Err)
	}
	if err != nil {
		return nil, stage(sizeOr(err, filter.StageRead), err)
	}
	a.Source = module
	return a, nil
}

// kept reads a version that was accepted before: from the generation before, or from the deploy folder. The bytes must be
// those that were accepted.
func (b *builder) kept(name string, r ref) (*artifact.Artifact, error) {
	if a := b.was.artifact(name, r.ID); a != nil {
		return a, nil
	}
	short, ok := strings.CutPrefix(r.Source, builtinPrefix)
	if code, known := builtin.Builtin(short); ok && known {
		return &artifact.Artifact{Source: r.Source, Module: code}, nil
	}
	dir := b.deployDir()
	if dir == "" || r.ID == "" {
		return nil, stage(filter.StageRead, fmt.Errorf("the version %s is not kept anywhere; deploy it again", r.label()))
	}
	a, err := artifact.Read(filepath.Join(versionDir(dir, name, r.ID), name+artifact.ModuleSuffix))
	switch {
	case err != nil:
		return nil, stage(sizeOr(err, filter.StageRead), fmt.Errorf("cannot read the version %s that was deployed: %w; deploy it again", r.label(), err))
	case a.ID() != r.ID || a.Digest() != r.Digest:
		return nil, stage(filter.StageRead, fmt.Errorf("the version %s in %s is not what was deployed: its files were changed; deploy it again", r.label(), dir))
	}
	a.Source = r.Source
	return a, nil
}

// label names a version for people.
func (r ref) label() string {
	if r.Version == "" {
		return fmt.Sprintf("sha256:%.12s", r.Digest)
	}
	return r.Version
}

// refOf names an artifact. version is that of the configuration, for one without a manifest.
func refOf(a *artifact.Artifact, version string) ref {
	r := ref{Digest: a.Digest(), Version: a.Version(), Source: a.Source}
	if r.Version == "" {
		r.Version = version
	}
	if !r.inside() {
		r.ID = a.ID()
	}
	return r
}

// inside tells whether the version is part of the program.
func (r ref) inside() bool { return strings.HasPrefix(r.Source, builtinPrefix) }

// base is what tells whether the configuration names the same module as before. Of a built-in one it is the name: with a
// new program it has other bytes, and that is no choice of the operator's.
func (r ref) base() string {
	if r.inside() {
		return r.Source
	}
	return r.Digest
}

// stage names the stage of an error.
func stage(name string, err error) error { return &filter.StageError{Stage: name, Err: err} }

// sizeOr is the stage size where something is too large, else the other one.
func sizeOr(err error, other string) string {
	if errors.Is(err, artifact.ErrTooLarge) {
		return filter.StageSize
	}
	return other
}
