package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/policy"
)

// The names below deploy.path where promoted policies are kept.
const (
	policyStateFile = ".policy.json"
	policiesDir     = ".policies"
)

// policyRef names one text of a policy.
type policyRef struct {
	Digest   string `json:"digest"` // of its files
	Revision string `json:"revision"`
	From     string `json:"from"` // where it came from, for people
	source   policy.Source
}

// besideRef names a candidate that was sent.
type besideRef struct {
	policyRef
	Sample int `json:"sample"` // per cent of the decisions
}

// policyHistory is what is remembered of the policy: which text was chosen, what to go back to, and what was sent to stand
// beside it.
type policyHistory struct {
	Base     string     `json:"base"`   // digest of what the configuration named when Live was chosen
	Pinned   bool       `json:"pinned"` // Live is not what the configuration names: it was promoted, or gone back to
	Live     policyRef  `json:"live"`
	Previous *policyRef `json:"previous,omitempty"`
	Beside   *besideRef `json:"beside,omitempty"`
}

func refOfPolicy(g *gated) policyRef {
	return policyRef{g.source.Digest(), g.source.Revision(), g.path, g.source}
}

// policyChange is what an operator wants of the policies; the zero value is nothing.
type policyChange struct {
	beside        *Candidate // a candidate to put beside the live policy
	stop          bool       // no candidate any more
	promote, back bool
}

// Candidate is a policy to be asked beside the live one.
type Candidate struct {
	Source policy.Source
	From   string // where it came from, for people
	Sample int    // per cent of the decisions
}

// MaxCandidate bounds the archive of a candidate, in bytes.
const MaxCandidate = policy.MaxArchive

// NewCandidate reads a candidate that was sent: a zip file of a policy's folder. from says where it came from; sample is per
// cent, 0 is the default.
func NewCandidate(archive []byte, from string, sample int) (Candidate, error) {
	if sample == 0 {
		sample = config.DefaultSample()
	}
	if from == "" || len(from) > 128 {
		return Candidate{}, errors.New("expected the policy's name, at most 128 bytes")
	}
	src, err := policy.ReadArchive(archive, from)
	return Candidate{Source: src, From: from, Sample: sample}, err
}

// What can keep a call about policies from doing anything.
var (
	ErrNoCandidatePolicy = errors.New("there is no candidate beside the policy, or it is what is live: name one with policy.shadow.path in the configuration, or send one with sluice policy shadow DIR")
	ErrNoPreviousPolicy  = errors.New("there is no policy to go back to: none was live before this one, or it was gone back to already")
	ErrGuardedPolicy     = errors.New("the policy is a bundle or must be signed; publish the candidate as the one that the configuration names, and it goes live by itself")
	ErrConfiguredPolicy  = errors.New("the candidate comes from the configuration; remove policy.shadow there")
)

// PolicyStatus is the policy that decides, and what it stands between.
type PolicyStatus struct {
	Revision   string        `json:"revision"`
	From       string        `json:"from"`               // the path in the configuration, or that of the candidate it was
	Pinned     bool          `json:"pinned"`             // it is not what the configuration names, until that changes
	Previous   string        `json:"previous,omitempty"` // revision that a rollback goes back to
	Shadow     *ShadowStatus `json:"shadow,omitempty"`
	Generation uint64        `json:"generation"`
}

// Policy tells which policy decides.
func (c *Controller) Policy() PolicyStatus {
	gen := c.generation()
	if gen == nil {
		return PolicyStatus{}
	}
	h := gen.policies
	out := PolicyStatus{Revision: gen.live.policy.Revision(), From: gen.live.path, Pinned: h.Pinned, Generation: gen.snap.Generation}
	if h.Previous != nil {
		out.Previous = h.Previous.Revision
	}
	if st, ok := c.Shadow(); ok {
		out.Shadow = &st
	}
	return out
}

// PromotePolicy makes the candidate the live policy, through the whole gate. It lasts over restarts, until the configuration
// names another policy than it does now: whatever came last counts.
func (c *Controller) PromotePolicy(ctx context.Context) (PolicyStatus, error) {
	return c.changePolicy(ctx, "promote the policy", policyChange{promote: true}, func(gen *generation) error {
		switch {
		case guarded(gen.config):
			return ErrGuardedPolicy
		case gen.candidate.shadow == nil:
			return ErrNoCandidatePolicy
		case deployDir(gen.config) == "":
			return ErrNoDeployPath
		}
		return nil
	})
}

// RollbackPolicy goes back to the policy before, as PromotePolicy goes forward.
func (c *Controller) RollbackPolicy(ctx context.Context) (PolicyStatus, error) {
	return c.changePolicy(ctx, "roll the policy back", policyChange{back: true}, func(gen *generation) error {
		switch {
		case guarded(gen.config):
			return ErrGuardedPolicy
		case gen.policies.Previous == nil:
			return ErrNoPreviousPolicy
		case deployDir(gen.config) == "":
			return ErrNoDeployPath
		}
		return nil
	})
}

// ShadowPolicy puts a candidate beside the live policy, in the place of one that is there. It lasts over restarts where
// ShadowStatus says so.
func (c *Controller) ShadowPolicy(ctx context.Context, k Candidate) (PolicyStatus, error) {
	return c.changePolicy(ctx, "shadow a policy", policyChange{beside: &k}, func(*generation) error { return nil })
}

// StopShadow takes a candidate away that ShadowPolicy brought.
func (c *Controller) StopShadow(ctx context.Context) (PolicyStatus, error) {
	return c.changePolicy(ctx, "stop the shadow", policyChange{stop: true}, func(gen *generation) error {
		switch {
		case gen.candidate.shadow == nil:
			return ErrNoCandidatePolicy
		case gen.candidate.sent == nil:
			return ErrConfiguredPolicy
		}
		return nil
	})
}

// changePolicy builds and installs a generation with the change, if may says nothing against it. What the gate refuses is a
// *DeployError.
func (c *Controller) changePolicy(ctx context.Context, why string, k policyChange, may func(*generation) error) (PolicyStatus, error) {
	c.building.Lock()
	defer c.building.Unlock()
	was := c.generation()
	if was == nil {
		return PolicyStatus{}, errEnded
	}
	if err := may(was); err != nil {
		return PolicyStatus{}, err
	}
	in := read(c.path)
	in.policy = k
	gen, err := c.build(ctx, in, nil)
	if err != nil {
		return PolicyStatus{}, &DeployError{Err: err}
	}
	if err := c.keep(gen); err != nil {
		return PolicyStatus{}, errors.Join(fmt.Errorf("the deploy folder cannot be written, so this would be gone after a restart; nothing was changed: %w", err), gen.close())
	}
	c.install(gen, why)
	return c.Policy(), nil
}

// choose decides which text is live. What was promoted or gone back to stays until the configuration names another text than
// it did then.
func (b *builder) choosePolicy(base gated) (live gated, err error) {
	h := &b.gen.policies
	digest := base.source.Digest()
	switch k := b.change; {
	case k.promote:
		live = b.was.candidate.gated
	case k.back:
		live, err = b.keptPolicy(h.Previous)
	case h.Pinned && h.Base == digest:
		live, err = b.keptPolicy(&h.Live)
	default:
		live = base
	}
	if err != nil {
		return live, err
	}
	ref := refOfPolicy(&live)
	switch {
	case b.change.back:
		h.Previous = nil
	case h.Live.Digest != "" && h.Live.Digest != ref.Digest:
		was := h.Live
		h.Previous = &was
	}
	h.Base, h.Live, h.Pinned = digest, ref, ref.Digest != digest
	return live, nil
}

// keptPolicy is a text that was live before: the one in memory, or else the one in the deploy folder.
func (b *builder) keptPolicy(r *policyRef) (gated, error) {
	src := r.source
	if src.Digest() != r.Digest {
		body, err := os.ReadFile(policyFile(deployDir(b.cfg), r.Digest))
		if err == nil {
			src, err = policy.ReadArchive(body, r.From)
		}
		if err == nil && src.Digest() != r.Digest {
			err = errors.New("it was changed")
		}
		if err != nil {
			return gated{}, fmt.Errorf("the policy %s, which came by hand, cannot be read from the deploy folder: %w; restore it, or remove %s there to begin anew with the configuration's", r.Revision, err, policyStateFile)
		}
	}
	return gated{source: src, path: r.From, field: "policy.path"}, nil
}

// rememberPolicy takes the history on from the generation before, or reads it from the deploy folder.
func (b *builder) rememberPolicy() error {
	dir := deployDir(b.cfg)
	if was := b.was; was != nil && deployDir(was.config) == dir {
		b.gen.policies = was.policies
		return nil
	}
	if dir == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dir, policyStateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	h := &b.gen.policies
	if err == nil {
		err = json.Unmarshal(text, h)
	}
	if err == nil && (!digestForm.MatchString(h.Live.Digest) || slices.ContainsFunc(h.refs(), func(r *policyRef) bool { return !digestForm.MatchString(r.Digest) })) {
		err = errors.New("it holds what this program never writes")
	}
	if err != nil {
		return fmt.Errorf("cannot read %s, which says which policy was promoted: %w; restore it, or remove it to begin anew", policyStateFile, err)
	}
	return nil
}

var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

func policyFile(dir, digest string) string { return filepath.Join(dir, policiesDir, digest+".zip") }

// keepPolicies writes down what a restart must find again. Where the policy is the configuration's, there is none to go
// back to and none was sent, nothing is.
func (c *Controller) keepPolicies(dir string, gen *generation) error {
	h := &gen.policies
	if was := c.generation(); was != nil && deployDir(was.config) == dir && was.policies.same(h) {
		return nil
	}
	if len(h.refs()) == 0 {
		if err := os.Remove(filepath.Join(dir, policyStateFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Join(dir, policiesDir), 0o700); err != nil {
		return err
	}
	for _, r := range h.refs() {
		if err := r.write(dir); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(h, "", "  ")
	if err == nil {
		err = artifact.WriteFile(filepath.Join(dir, policyStateFile), append(text, '\n'))
	}
	if err == nil {
		h.prune(dir)
	}
	return err
}

// refs are the texts that a restart must find in the deploy folder.
func (h *policyHistory) refs() (out []*policyRef) {
	if h.Pinned || h.Previous != nil {
		out = append(out, &h.Live)
	}
	if h.Previous != nil {
		out = append(out, h.Previous)
	}
	if h.Beside != nil {
		out = append(out, &h.Beside.policyRef)
	}
	return out
}

// prune removes the texts that the history does not name. What cannot be removed stays.
func (h *policyHistory) prune(dir string) {
	entries, err := os.ReadDir(filepath.Join(dir, policiesDir))
	if err != nil {
		return
	}
	for _, e := range entries {
		if !slices.ContainsFunc(h.refs(), func(r *policyRef) bool { return e.Name() == r.Digest+".zip" }) {
			_ = os.Remove(filepath.Join(dir, policiesDir, e.Name()))
		}
	}
}

// write keeps the text, unless it is kept already.
func (r *policyRef) write(dir string) error {
	path := policyFile(dir, r.Digest)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	body, err := r.source.Archive()
	if err != nil {
		return err
	}
	return artifact.WriteFile(path, body)
}

// same tells whether both would be written down alike.
func (h *policyHistory) same(o *policyHistory) bool {
	alike := func(a, b *policyRef) bool { return a.Digest == b.Digest }
	if (h.Beside == nil) != (o.Beside == nil) || h.Beside != nil && h.Beside.Sample != o.Beside.Sample {
		return false
	}
	return h.Base == o.Base && h.Pinned == o.Pinned && h.Live.Digest == o.Live.Digest && (h.Previous == nil) == (o.Previous == nil) &&
		slices.EqualFunc(h.refs(), o.refs(), alike)
}
