package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// A delta bundle patches data (openpolicyagent.org, "Delta Bundles"): modules stay as they are. It is applied to the data
// of the bundle that OPA took last, in a store of its own, by OPA's own activation; what comes out is a whole bundle, which
// is judged like one.

// patched is a bundle with a delta applied. The data is one file then.
func patched(ctx context.Context, base *Bundle, delta *bundle.Bundle) (Bundle, error) {
	data, err := patchedData(ctx, base, delta)
	if err != nil {
		return Bundle{}, err
	}
	out := Bundle{Name: base.Name, Revision: delta.Manifest.Revision, manifest: delta.Manifest}
	for _, f := range base.Files {
		if path.Ext(f.Path) == bundle.RegoExt {
			out.Files = append(out.Files, f)
		}
	}
	out.Files = append(out.Files, File{"data.json", data})
	return out, out.finish()
}

// patchedData is the data, as JSON.
func patchedData(ctx context.Context, base *Bundle, delta *bundle.Bundle) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // OPA does not look at every path that a delta names
			err = fmt.Errorf("OPA cannot apply it: %v", r)
		}
	}()
	whole := &bundle.Bundle{Manifest: base.manifest, Data: map[string]any{}}
	for _, f := range base.Files {
		if ext := path.Ext(f.Path); ext != bundle.RegoExt && path.Base(f.Path)[0] != '.' {
			whole.Raw = append(whole.Raw, bundle.Raw{Path: "/" + f.Path, Value: f.Body})
		}
	}
	store := inmem.New()
	for _, b := range []*bundle.Bundle{whole, delta} {
		if err := write(ctx, store, base.Name, b); err != nil {
			return nil, err
		}
	}
	err = storage.Txn(ctx, store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		doc, err := store.Read(ctx, txn, storage.RootPath)
		if err == nil {
			data, err = json.Marshal(withoutManifests(doc.(map[string]any)))
		}
		return err
	})
	return data, err
}

// write is OPA's own activation.
func write(ctx context.Context, store storage.Store, name string, b *bundle.Bundle) error {
	params := storage.WriteParams
	params.Context = storage.NewContext()
	return storage.Txn(ctx, store, params, func(txn storage.Transaction) error {
		return (&bundle.DefaultActivator{}).Activate(&bundle.ActivateOpts{
			Ctx: ctx, Store: store, Txn: txn, TxnCtx: params.Context, Compiler: ast.NewCompiler(), Metrics: metrics.New(),
			Bundles: map[string]*bundle.Bundle{name: b}, ParserOptions: ast.ParserOptions{RegoVersion: ast.RegoV1},
		})
	})
}

// withoutManifests leaves out what OPA's activation adds to the data.
func withoutManifests(doc map[string]any) map[string]any {
	doc = maps.Clone(doc)
	if system, ok := doc["system"].(map[string]any); ok {
		system = maps.Clone(system)
		delete(system, "bundles")
		if doc["system"] = system; len(system) == 0 {
			delete(doc, "system")
		}
	}
	return doc
}

// whole is a bundle as a whole one, with what OPA took last where it is a delta.
func (c *Client) whole(ctx context.Context, h *held, b *bundle.Bundle) (Bundle, error) {
	if b.Type() != bundle.DeltaBundleType {
		return filesOf(h.state.Name, b)
	}
	if h.base == nil {
		return Bundle{}, &Fault{Stage: StageRead, Message: "it is a delta, and there is nothing that it could change; a whole one is asked for next"}
	}
	out, err := patched(ctx, h.base, b)
	switch {
	case ctx.Err() != nil:
		return out, ctx.Err()
	case err != nil:
		return out, &Fault{Stage: StageRead, Message: fmt.Sprintf("it is a delta that cannot be applied to the revision %q: %v; a whole one is asked for next", h.base.Revision, err)}
	}
	size := int64(0)
	for _, f := range out.Files {
		size += int64(len(f.Body))
	}
	if most := c.limits[h.state.Name]; size > most {
		return out, tooLarge(most)
	}
	return out, nil
}
