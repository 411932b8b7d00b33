package control

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/filter"
)

// version is one version of a filter, loaded.
type version struct {
	ref
	artifact *artifact.Artifact // its bytes, for a generation that needs it with other settings
	filter   *filter.Filter
}

// slot is one filter of the chain with the versions that are loaded: the one that is live, the canary beside it, and the
// one before, which is warm and waits to be gone back to.
type slot struct {
	name     string
	base     string // what the configuration names; "" where it was only deployed
	live     *version
	canary   *version
	previous *version
	switcher *filter.Canary // nil without a canary
	share    int            // of the canary
}

// link is the slot's place in the chain.
func (s *slot) link() filter.Link { return filter.Link{Filter: s.live.filter, Canary: s.switcher} }

// slot of a name, nil if there is none.
func (g *generation) slot(name string) *slot {
	if g == nil {
		return nil
	}
	i := slices.IndexFunc(g.slots, func(s *slot) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return g.slots[i]
}

// artifact is one that the generation has in memory, nil if it has not.
func (g *generation) artifact(name, id string) *artifact.Artifact {
	s := g.slot(name)
	if s == nil || id == "" {
		return nil
	}
	for _, v := range []*version{s.live, s.canary, s.previous} {
		if v != nil && v.ID == id {
			return v.artifact
		}
	}
	return nil
}

// filters loads the chain.
func (b *builder) filters(ctx context.Context) {
	if !b.remember() {
		return
	}
	for _, p := range b.places() {
		if s := b.slot(ctx, p); s != nil {
			b.gen.slots = append(b.gen.slots, s)
		}
	}
	b.gen.chain()
}

// remember takes the state on from the generation before, or reads it from the deploy folder.
func (b *builder) remember() bool {
	dir := b.deployDir()
	if was := b.was; was != nil && deployDir(was.config) == dir {
		b.state = was.state.clone()
	} else if dir == "" {
		b.state = state{}
	} else {
		var err error
		if b.state, err = loadState(dir); err != nil {
			b.fault("deploy.path", "%v", err)
			return false
		}
	}
	if b.was != nil {
		for _, s := range b.was.slots { // switched off a moment ago, and not yet written down
			if h := b.state[s.name]; h != nil && s.switcher != nil && s.switcher.Off() {
				h.switchOff(s.canary.ref, byFailures)
				b.c.rolledBack(s.name, byFailures)
			}
		}
	}
	if d := b.deploy; d != nil && d.Artifact == nil { // to be removed; only that a version was accepted is kept
		b.state[d.Name] = &history{Highest: b.state.of(d.Name).Highest}
	}
	b.gen.state = b.state
	return true
}

// choice is which versions a slot gets.
type choice struct {
	live     *artifact.Artifact
	version  string // of live where it has no manifest
	previous *ref
	canary   *canaryChoice
	fresh    *artifact.Artifact // the canary, where it is not one that was accepted before
	base     string
	pinned   bool
}

// slot chooses the versions of one filter and loads them. Faults are noted; then there is none.
func (b *builder) slot(ctx context.Context, p place) *slot {
	h := b.state.of(p.name)
	ch, err := b.choose(ctx, p, h)
	if err != nil {
		b.refuse(p, p.module, err)
		return nil
	}
	s := &slot{name: p.name, base: ch.base}
	if s.live = b.load(ctx, p, h, ch.live, ch.version); s.live == nil {
		return nil
	}
	if !b.canary(ctx, p, h, ch, s) {
		return nil
	}
	h.Previous = nil
	if ch.previous != nil && ch.previous.Digest != s.live.Digest {
		h.Previous = ch.previous
		s.previous = b.previous(ctx, p, *ch.previous)
	}
	h.Base, h.Live, h.Pinned, h.Canary = ch.base, s.live.ref, ch.pinned, ch.canary
	if s.canary == nil {
		h.Canary = nil
	}
	h.raise(s.live.Version)
	b.state[p.name] = h
	return s
}

// configured reads the module that the configuration names, nil where it names none. lost says that its registry cannot be
// asked, and that what was live before goes on in its place.
func (b *builder) configured(ctx context.Context, p place, h *history) (base *artifact.Artifact, lost bool, err error) {
	if p.module == "" {
		return nil, false, nil
	}
	base, err = b.open(ctx, p.module)
	if errors.Is(err, artifact.ErrUnreachable) && h.keeps(p.module) {
		b.c.log.Warn("the image could not be asked for, what was live before goes on", "filter", p.name, "image", p.module, "error", err.Error())
		return nil, true, nil
	}
	return base, false, err
}

// choose decides which version is live. What was deployed or gone back to stays until the configuration names another
// module than it did then: whatever came last counts.
func (b *builder) choose(ctx context.Context, p place, h *history) (ch choice, err error) {
	base, lost, err := b.configured(ctx, p, h)
	switch {
	case err != nil:
		return ch, err
	case lost:
		ch.base = h.Base
	case base != nil:
		ch.base = refOf(base, "").base()
	}
	ch.previous, ch.canary = h.Previous, h.Canary
	switch d := b.deploy; {
	case d != nil && d.Name == p.name && d.Canary == nil && d.Artifact != nil:
		ch.live, ch.version, ch.pinned, ch.canary = d.Artifact, d.Version, true, nil
	case lost, h.Pinned && (base == nil || h.Base == ch.base):
		if ch.live, err = b.kept(p.name, h.Live); err != nil {
			return ch, err
		}
		ch.version, ch.pinned = h.Live.Version, h.Pinned
	case base != nil:
		ch.live, ch.version = base, p.cfg.Version
	default:
		return ch, stage(filter.StageRead, errors.New("it has no module: write module, or put one of this name into the deploy folder"))
	}
	if h.known() && h.Live.Digest != ch.live.Digest() {
		ch.previous = copyOf(&h.Live)
	}
	if d := b.deploy; d != nil && d.Name == p.name && d.Canary != nil {
		ch.fresh = d.Artifact
		ch.canary = &canaryChoice{refOf(d.Artifact, d.Version), d.Canary.Share, d.Canary.MaxFailures, d.Canary.MinCalls}
		h.forgive(ch.canary.Digest)
	}
	return ch, nil
}

// load takes a version through the stages up to the swap. Nil means that it failed, which is noted.
func (b *builder) load(ctx context.Context, p place, h *history, a *artifact.Artifact, named string) *version {
	v := &version{ref: refOf(a, named), artifact: a}
	spec, ok := b.spec(p, v)
	if !ok {
		return nil
	}
	err := b.admit(p, h, v, named)
	if err == nil {
		err = b.prove(ctx, spec, v)
	}
	if err == nil {
		err = b.take(ctx, v, spec)
	}
	if err != nil {
		b.refuse(p, a.Source, err)
		return nil
	}
	return v
}

// take loads a version into the engine, or finds that it is.
func (b *builder) take(ctx context.Context, v *version, spec filter.Spec) error {
	f, give, err := b.c.filters.take(ctx, spec)
	if err != nil {
		return err
	}
	v.filter = f
	b.gen.closer = append(b.gen.closer, give)
	return nil
}

// canary loads the new version that some principals get: the one that was deployed, or else the configuration's. One that
// was switched off, or is what is live, is none.
func (b *builder) canary(ctx context.Context, p place, h *history, ch choice, s *slot) bool {
	k, a, named := ch.canary, ch.fresh, ""
	var err error
	switch cfg := p.cfg.Canary; {
	case a != nil:
		named = k.Version
	case k != nil:
		a, err = b.kept(p.name, k.ref)
		named = k.Version
	case cfg != nil:
		if a, err = b.open(ctx, cfg.Module); err == nil {
			named = cfg.Version
			k = &canaryChoice{refOf(a, named), cfg.Share, cfg.MaxFailures, cfg.MinCalls}
		}
	default:
		return true
	}
	if err != nil {
		b.refuse(p, "canary", err)
		return false
	}
	if k.Digest == s.live.Digest || h.isOff(k.Digest) {
		return true
	}
	if s.canary = b.load(ctx, p, h, a, named); s.canary == nil {
		return false
	}
	s.share = k.Share
	s.switcher = b.c.filters.canary(s.canary.filter, filter.CanaryOptions{
		Share: k.Share, MaxFailures: k.MaxFailures, MinCalls: k.MinCalls, Tripped: b.c.tell,
	})
	return true
}

// previous keeps the version before warm. Where it cannot be had any more, or does not go with the settings of now, there
// is none to go back to; that is no reason to refuse the generation.
func (b *builder) previous(ctx context.Context, p place, r ref) *version {
	a, err := b.kept(p.name, r)
	v := &version{ref: r, artifact: a}
	if err == nil && !r.inside() {
		_, err = a.Verify(b.trust())
	}
	if err == nil {
		if spec, ok := b.spec(p, v); ok {
			err = b.take(ctx, v, spec)
		}
	}
	if err != nil || v.filter == nil {
		b.c.log.Warn("the version before cannot be gone back to", "filter", p.name, "version", r.label(), "cause", err)
		return nil
	}
	return v
}

// admit is the stage signature: who signed it, what it is called, what it wants, and that it is no step back.
func (b *builder) admit(p place, h *history, v *version, named string) error {
	if v.inside() {
		return nil
	}
	m := v.artifact.Manifest
	_, err := v.artifact.Verify(b.trust())
	switch {
	case err != nil:
	case m != nil && m.Name != p.name:
		err = fmt.Errorf("the manifest says that this is the filter %q: call it so, or sign it as %q", m.Name, p.name)
	case m != nil && named != "" && named != m.Version:
		err = fmt.Errorf("the manifest says version %s, the configuration %s; remove version there", m.Version, named)
	default:
		err = b.newer(p, h, v)
	}
	if err == nil && m != nil {
		err = b.grants(p, m)
	}
	if err != nil {
		return stage(filter.StageSignature, err)
	}
	return nil
}

// newer refuses a version lower than the highest that was accepted: an old module with a known hole may well be signed.
func (b *builder) newer(p place, h *history, v *version) error {
	accepted := v.Digest == h.Live.Digest || h.Canary != nil && v.Digest == h.Canary.Digest
	meant := b.deploy != nil && b.deploy.Name == p.name && b.deploy.Lower
	if h.Highest == "" || accepted || meant || artifact.Compare(v.Version, h.Highest) >= 0 {
		return nil
	}
	if v.Version == "" {
		return fmt.Errorf("it has no version, and %s was accepted before; give it a manifest with a version: sluice filter sign", h.Highest)
	}
	return fmt.Errorf("version %s is lower than %s, which was accepted before; if that is meant: sluice filter rollback %s, or sluice filter deploy --rollback FILE", v.Version, h.Highest, p.name)
}

// grants holds what the manifest wants against what the configuration gives.
func (b *builder) grants(p place, m *artifact.Manifest) error {
	var missing []string
	for _, g := range m.Grants {
		if !slices.Contains(p.cfg.Grants, g) {
			missing = append(missing, g)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("it wants to know %s; if it may, write grants: [%s] into the entry of filters with this name", strings.Join(missing, ", "), strings.Join(m.Grants, ", "))
	}
	for _, g := range p.cfg.Grants {
		if !slices.Contains(m.Grants, g) {
			b.c.log.Warn("a filter is granted a fact that its manifest does not want; remove it from grants", "filter", p.name, "grant", g)
		}
	}
	return nil
}

// trust is whose signatures count.
func (b *builder) trust() artifact.Trust {
	t := artifact.Trust{Required: b.cfg.Deploy.Signed()}
	if b.cfg.Deploy != nil {
		for _, k := range b.cfg.Deploy.Trust {
			t.Keys = append(t.Keys, ed25519.PublicKey(k[:]))
		}
	}
	return t
}

// prove is the stage self_test. Those inside the program have passed theirs before it was built; others pass once for
// each set of bytes and limits.
func (b *builder) prove(ctx context.Context, spec filter.Spec, v *version) error {
	if v.inside() || v.artifact.Vectors == nil {
		return nil
	}
	key := digest(v.Digest, v.artifact.VectorsDigest(), spec.Limits)
	if b.c.proved[key] {
		return nil
	}
	vectors, err := filter.ParseVectors(v.artifact.Vectors)
	if err != nil {
		return stage(filter.StageSelfTest, err)
	}
	report, err := b.c.engine.SelfTest(ctx, spec, vectors)
	if err != nil {
		return err
	}
	if err := report.Err(); err != nil {
		return stage(filter.StageSelfTest, err)
	}
	if len(b.c.proved) >= maxProved {
		clear(b.c.proved)
	}
	b.c.proved[key] = true
	return nil
}

// maxProved bounds what is remembered of self-tests.
const maxProved = 256

// spec is what the engine is told of a version. The fault of a secret is noted.
func (b *builder) spec(p place, v *version) (filter.Spec, bool) {
	spec := filterSpec(p.cfg, v.artifact.Module)
	spec.Version = v.Version
	if p.cfg.HMACKey == nil {
		return spec, true
	}
	secret, err := p.cfg.HMACKey.Resolve(b.cfg.Dir())
	if err != nil {
		b.fault(p.path+".hmac_key", "%v", err)
		return spec, false
	}
	spec.HMACKey = []byte(secret)
	return spec, true
}

// refuse notes at the filter's module what kept a version from going live, with its stage, in one line.
func (b *builder) refuse(p place, source string, err error) {
	path := p.path
	if path != "deploy.path" {
		path += ".module"
	}
	what := strings.ReplaceAll(err.Error(), "\n", "; ")
	if source != "" {
		what = source + ": " + what
	}
	f := b.cfg.Fault(path, "%s", what)
	f.Cause = err
	b.faults = append(b.faults, f)
	b.c.stageFailed(p.name, err)
}
