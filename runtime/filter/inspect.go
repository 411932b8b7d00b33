package filter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// Inspection is what can be told of a module without an exchange.
type Inspection struct {
	Digest string `json:"digest"` // SHA-256, hex
	Size   int    `json:"size"`   // bytes

	// What the module's sections say. Empty where it is refused before they are read.
	Imports   []string `json:"imports"` // "sluice.redact (i32, i32, i32, i32) -> (i32)"
	Exports   []string `json:"exports"`
	Functions int      `json:"functions"`
	MinPages  uint32   `json:"memory_min_pages"` // pages of 64 KiB at its start
	MaxPages  uint32   `json:"memory_max_pages"` // the module's own limit, or the configured one where that is lower

	// What it says when it runs. Empty where it is refused before.
	ABI      string   `json:"abi,omitempty"` // "sluice 1" or "http-wasm handler"
	Hooks    []string `json:"hooks,omitempty"`
	Features []string `json:"features,omitempty"`     // http-wasm
	Inert    *int     `json:"inert_bytes,omitempty"`  // how many of the 256 byte values need no call; nil: no byte classes
	Memory   int      `json:"memory_bytes,omitempty"` // after the warm-up
	Snapshot int      `json:"snapshot_bytes,omitempty"`

	Restorable   bool     `json:"restorable"`             // instances are put back; else each exchange gets a fresh one
	Unrestorable []string `json:"unrestorable,omitempty"` // what prevents it

	Refused *Refusal `json:"refused,omitempty"` // nil: it can be used
}

// Refusal says at which step a module is refused, why, and what to do.
type Refusal struct {
	Stage  string `json:"stage"` // one of Stages
	Reason string `json:"reason"`
	Advice string `json:"advice"`
}

// Inspect takes a module as far as it gets, with the Spec's configuration, grants and limits, and tells what it is. A
// module that is refused is no error.
func (e *Engine) Inspect(ctx context.Context, s Spec) Inspection {
	sum := sha256.Sum256(s.Module)
	in := Inspection{Digest: hex.EncodeToString(sum[:]), Size: len(s.Module), Imports: []string{}, Exports: []string{}}
	in.sections(s.Module, s.Limits.withDefaults())
	if err := e.inspect(ctx, s, &in); err != nil {
		in.Refused = refusal(err)
	}
	return in
}

// sections reads what stands in the module.
func (in *Inspection) sections(module []byte, l Limits) {
	if checkHeader(module) != nil {
		return
	}
	_, info, err := meter.Rewrite(module, meter.Options{MaxPages: uint32(l.MemoryPages)})
	if err != nil {
		return // inspect says why
	}
	for _, im := range info.Imports {
		in.Imports = append(in.Imports, im.Module+"."+im.Name+" "+external(im.Kind, im.Func))
	}
	for _, ex := range info.Exports {
		in.Exports = append(in.Exports, ex.Name+" "+external(ex.Kind, ex.Func))
	}
	in.Functions, in.MinPages, in.MaxPages = info.Functions, info.MemoryMin, info.MemoryMax
	in.Unrestorable, in.Restorable = info.Unrestorable, len(info.Unrestorable) == 0
}

// external describes an import or export: a function by its signature, anything else by what it is.
func external(k meter.Kind, s meter.Signature) string {
	if k == meter.Func {
		return s.String()
	}
	return k.String()
}

// inspect loads the module as self-tests do, in every direction that it has hooks for.
func (e *Engine) inspect(ctx context.Context, s Spec, in *Inspection) error {
	p, err := e.prover(ctx, s)
	if err != nil {
		return err
	}
	defer p.close(ctx)
	facts := map[string]string{}
	for _, name := range s.Grants {
		facts[name] = ""
	}
	f, err := p.filter(ctx, s.Config, facts)
	if p.mod.handler {
		in.ABI = "http-wasm handler"
	} else {
		in.ABI = "sluice 1"
	}
	if f != nil && f.mod != nil {
		in.Hooks, in.Features = f.Hooks(), f.Features()
	}
	if err != nil {
		return err
	}
	in.Restorable, in.Unrestorable = f.Restorable()
	if f.inert != nil {
		n := 0
		for _, class := range f.inert {
			if class == 0 {
				n++
			}
		}
		in.Inert = &n
	}
	if f.mod.snap != nil {
		in.Snapshot = len(f.mod.snap.memory)
	}
	in.Memory = f.stats.memory
	return nil
}

// refusal makes an error of loading what its stage says.
func refusal(err error) *Refusal {
	r := &Refusal{Stage: StageABI, Reason: err.Error()}
	var stage *StageError
	if errors.As(err, &stage) {
		r.Stage, r.Reason = stage.Stage, stage.Err.Error()
	}
	r.Advice = advice[r.Stage]
	if r.Advice == "" {
		r.Advice = advice[StageABI]
	}
	return r
}

// advice is what to do about a refusal, by its stage.
var advice = map[string]string{
	StageSize:    "make it smaller: strip debug information, build without a standard library, or leave out what it does not use",
	StageABI:     "hold it against filters/abi/README.md; the kits in filters/sdk (sluice filter new) export what is needed",
	StageRewrite: "build it without what cannot be metered: threads, several memories, typed function references, garbage collection, exceptions",
	StageCompile: "check that the file is complete, and that its toolchain targets WebAssembly 2.0 without proposals beyond tail calls",
	StageConfig:  "give it a configuration that it takes, with --config; its README says which",
	StageWarm:    "run it over plain text first: it trapped or ran out of its limits on an everyday message; see the reason",
}
