package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// OPA activates a bundle by writing it into a store. Here it is handed to the gate in place of that, which can refuse it,
// and the store stays empty. The one way that OPA has to replace its activation is for the whole process; so the store
// tells whose bundle it is, and a store that is not of this package is written to as ever.

// store is the empty one of a Client.
type store struct {
	storage.Store
	client *Client
}

// manifest is what a bundle says of itself.
type manifest = bundle.Manifest

func newStore(c *Client) *store { return &store{Store: inmem.New(), client: c} }

type activator struct{}

const activatorID = "sluice"

// registerGate puts the gate in the place of OPA's activation, once.
var registerGate = sync.OnceFunc(func() {
	bundle.RegisterActivator(activatorID, activator{})
	bundle.RegisterStoreFunc(inmem.New) // which OPA asks for a store once an activator is registered
	bundle.RegisterDefaultBundleActivator(activatorID)
})

// Activate hands a bundle to the gate of its Client.
func (activator) Activate(o *bundle.ActivateOpts) error {
	s, ours := o.Store.(*store)
	if !ours {
		return (&bundle.DefaultActivator{}).Activate(o)
	}
	for name, b := range o.Bundles {
		if err := s.client.activate(o.Ctx, name, b); err != nil {
			return err
		}
	}
	return compileMasks(o.Compiler)
}

func (c *Client) activate(ctx context.Context, name string, b *bundle.Bundle) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	h := c.held[name]
	came, err := c.whole(ctx, h, b)
	if err == nil {
		h.came, h.judged = &came, true
		err = c.take(ctx, name)
	}
	switch {
	case c.ctx.Err() != nil:
		return errClosed
	case err == nil:
		h.base = h.live
		return nil
	}
	fault := (*Fault)(nil)
	if !errors.As(err, &fault) {
		fault = &Fault{Stage: StageActivate, Message: err.Error()}
	}
	c.note(name, fault)
	c.refused(h, fault)
	return fault
}

// wantsWhole tells whether a delta would not do.
func (c *Client) wantsWhole(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[name]
	return h != nil && (h.fixed || h.whole)
}

// filesOf gives the files as they were signed.
func filesOf(name string, b *bundle.Bundle) (Bundle, error) {
	out := Bundle{Name: name, Revision: b.Manifest.Revision, manifest: b.Manifest}
	if len(b.WasmModules) > 0 || len(b.PlanModules) > 0 {
		return out, &Fault{Stage: StageRead, Message: "it holds compiled policies, which could not be checked; build it with opa build -t rego"}
	}
	add := func(name string, body []byte) {
		out.Files = append(out.Files, File{strings.TrimPrefix(path.Clean("/"+name), "/"), body})
	}
	for i := range b.Modules {
		add(b.Modules[i].RelativePath, b.Modules[i].Raw)
	}
	for _, raw := range b.Raw { // data files; modules are among them under other names
		if path.Ext(raw.Path) != bundle.RegoExt {
			add(raw.Path, raw.Value)
		}
	}
	if signatures, err := json.Marshal(b.Signatures); err == nil && len(b.Signatures.Signatures) > 0 {
		add(".signatures.json", signatures)
	}
	return out, out.finish()
}

// finish adds the manifest and puts the files in order.
func (b *Bundle) finish() error {
	manifest, err := json.Marshal(b.manifest)
	if err != nil {
		return &Fault{Stage: StageRead, Message: "its manifest cannot be read: " + err.Error()}
	}
	b.Files = append(b.Files, File{bundle.ManifestExt, manifest})
	slices.SortFunc(b.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return nil
}
