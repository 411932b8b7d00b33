package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/filter"
)

// Deployment is a version of a filter to go live.
type Deployment struct {
	Name     string             // the filter's; "" is the manifest's
	Artifact *artifact.Artifact // what was uploaded; nil where Image says what to fetch
	Image    string             // an OCI reference, oci://host/repository:tag
	Version  string             // where there is no manifest
	Canary   *Share             // for some principals only; nil: for all
	Lower    bool               // a version lower than the highest accepted is meant
}

// Share says who gets a canary, and when it is taken back.
type Share struct {
	Share       int     // percent of principals
	MaxFailures float64 // percent of exchanges that may fail
	MinCalls    int     // exchanges that the percentage is at least taken of
}

// DefaultShare is what a canary has of which nothing is said.
func DefaultShare() Share {
	k := config.DefaultCanary()
	return Share{Share: k.Share, MaxFailures: k.MaxFailures, MinCalls: k.MinCalls}
}

// Deployed is what a deployment, a promotion or a rollback has led to.
type Deployed struct {
	Filter     FilterStatus  `json:"filter"`             // the version it was about, as it is now
	Live       FilterStatus  `json:"live"`               // the live version, as it is now
	Previous   *FilterStatus `json:"previous,omitempty"` // what a rollback would go back to
	Generation uint64        `json:"generation"`
	Warning    string        `json:"warning,omitempty"` // what was not done, though the rest was
}

// DeployError is a deployment that was refused. What was live before still is.
type DeployError struct {
	Filter string
	Stage  string // one of filter.Stages; "" where it was none of them
	Err    error
}

// Error says what was refused and why, a line for each fault.
func (e *DeployError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *DeployError) Unwrap() error { return e.Err }

// What can keep a call for one filter from doing anything.
var (
	ErrNoDeployPath  = errors.New("the configuration has no deploy.path, so what is deployed would be gone after a restart; write deploy: {path: filters.d} and make that folder")
	ErrUnknownFilter = errors.New("there is no filter of this name")
	ErrNoPrevious    = errors.New("there is no version to go back to: nothing was live before this one, or it was gone back to already; deploy the version that you want")
	ErrNoCanary      = errors.New("the filter has no canary to promote; deploy one: sluice filter deploy --canary 10 FILE")
	ErrNotDeployed   = errors.New("the filter comes from the configuration or lies in the deploy folder; remove it there")
)

// Deploy brings a version through all stages and makes it live, or the canary. When it returns an error, a *DeployError,
// nothing has changed, on the disk neither.
func (c *Controller) Deploy(ctx context.Context, d Deployment) (Deployed, error) {
	c.building.Lock()
	defer c.building.Unlock()
	gen, err := c.deploy(ctx, &d)
	if err != nil {
		return Deployed{}, &DeployError{Filter: d.Name, Stage: filter.StageOf(err), Err: err}
	}
	c.install(gen, "deploy "+d.Name)
	c.log.Info("filter deployed", "filter", d.Name, "version", gen.deployed(d.Name, d.Artifact.Digest()).Filter.Label(),
		"digest", d.Artifact.Digest(), "source", d.Artifact.Source, "canary", d.Canary != nil)
	return gen.deployed(d.Name, d.Artifact.Digest()), nil
}

// deploy builds the generation with the new version, and writes down what must outlast the process.
func (c *Controller) deploy(ctx context.Context, d *Deployment) (*generation, error) {
	if err := c.prepare(ctx, d); err != nil {
		if filter.StageOf(err) != "" && ctx.Err() == nil {
			c.refused("deploy "+d.Name, err)
		}
		return nil, err
	}
	c.images.refresh(false)
	gen, err := c.build(ctx, read(c.path), d)
	if err == nil {
		if err = c.keep(gen); err == nil {
			return gen, nil
		}
		err = stage(filter.StageSwap, fmt.Errorf("the deploy folder cannot be written, so the version would be gone after a restart: %w", err))
		c.stageFailed(d.Name, err)
		err = errors.Join(err, gen.close())
		c.generation().state.of(d.Name).prune(deployDir(gen.config), d.Name)
	}
	if ctx.Err() == nil {
		c.refused("deploy "+d.Name, err)
	}
	return nil, err
}

// prepare completes a deployment and finds what is wrong with it by itself.
func (c *Controller) prepare(ctx context.Context, d *Deployment) error {
	gen := c.generation()
	if gen == nil {
		return errEnded
	}
	if deployDir(gen.config) == "" {
		return ErrNoDeployPath
	}
	if d.Image != "" {
		a, err := c.images.pull(ctx, gen.config, d.Image)
		if err != nil {
			c.stageFailed(d.Name, err)
			return err
		}
		d.Artifact = a
	}
	if d.Name == "" && d.Artifact.Manifest != nil {
		d.Name = d.Artifact.Manifest.Name
	}
	switch {
	case !filterName.MatchString(d.Name):
		return fmt.Errorf("a filter's name is 1 to 64 of a-z, 0-9, _ and -, a letter or digit first")
	case d.Version != "" && !artifact.ValidVersion(d.Version):
		return fmt.Errorf("expected a version such as 1.2.0 (https://semver.org, without build metadata)")
	case d.Canary != nil && gen.slot(d.Name) == nil:
		return fmt.Errorf("%w, so nothing is there for a canary to stand beside; deploy it without one first", ErrUnknownFilter)
	}
	return nil
}

// Rollback goes back to the version before, or takes the canary back where there is one. Both versions are loaded: nothing
// is read or compiled. It lasts over restarts, unless Deployed.Warning says otherwise.
func (c *Controller) Rollback(_ context.Context, name string) (Deployed, error) {
	return c.switchTo(name, "rollback "+name, func(s *slot, h *history) error {
		switch {
		case s.canary != nil:
			s.takeBack(h, byOperator)
		case s.previous != nil:
			bad := s.live.ref
			s.live, s.previous = s.previous, nil
			h.Live, h.Previous = s.live.ref, nil
			h.switchOff(bad, byOperator) // nor does it come back as a canary of the configuration
			h.Pinned = h.Live.base() != h.Base
		default:
			return ErrNoPrevious
		}
		c.rolledBack(name, byOperator)
		return nil
	})
}

// Promote makes the canary live for everybody.
func (c *Controller) Promote(_ context.Context, name string) (Deployed, error) {
	return c.switchTo(name, "promote "+name, func(s *slot, h *history) error {
		if s.canary == nil || s.switcher.Off() {
			return ErrNoCanary
		}
		was := s.live.ref
		s.live, s.previous, s.canary, s.switcher, s.share = s.canary, s.live, nil, nil, 0
		h.Live, h.Previous, h.Canary = s.live.ref, &was, nil
		h.Pinned = h.Live.base() != h.Base
		h.raise(s.live.Version)
		return nil
	})
}

// Why a version was taken back.
const (
	byOperator = "operator"
	byFailures = "failures"
)

// takeBack takes the canary back, of the slot and of its history.
func (s *slot) takeBack(h *history, reason string) {
	s.switcher.SwitchOff()
	h.switchOff(s.canary.ref, reason)
	s.canary, s.switcher, s.share = nil, nil, 0
}

// switchTo installs a generation like the current one, but for the versions of one filter.
func (c *Controller) switchTo(name, why string, change func(*slot, *history) error) (Deployed, error) {
	c.building.Lock()
	defer c.building.Unlock()
	was := c.generation()
	if was == nil {
		return Deployed{}, errEnded
	}
	if was.slot(name) == nil {
		return Deployed{}, fmt.Errorf("%w: %.64q; there are: %s", ErrUnknownFilter, name, strings.Join(was.snap.Chain.Names(), ", "))
	}
	gen := was.derive()
	s, h := gen.slot(name), gen.state.of(name)
	before := s.about()
	if err := change(s, h); err != nil {
		return Deployed{}, err
	}
	gen.state[name] = h
	c.next++
	gen.begin(c, was, c.next)
	warning := ""
	if err := c.keep(gen); err != nil {
		warning = "it is done, but the deploy folder cannot be written, so a restart undoes it: " + err.Error()
		c.log.Warn("what is live now is not written down", "filter", name, "error", err)
	}
	c.install(gen, why)
	out := gen.deployed(name, before.Digest)
	out.Warning = warning
	return out, nil
}

// about is the version that a change is about: the canary, or else the live one.
func (s *slot) about() ref {
	if s.canary != nil {
		return s.canary.ref
	}
	return s.live.ref
}

// Remove takes a filter out of the chain that was deployed and that the configuration does not name.
func (c *Controller) Remove(ctx context.Context, name string) (uint64, error) {
	c.building.Lock()
	defer c.building.Unlock()
	was := c.generation()
	switch s := was.slot(name); {
	case was == nil:
		return 0, errEnded
	case s == nil:
		return 0, fmt.Errorf("%w: %.64q; there are: %s", ErrUnknownFilter, name, strings.Join(was.snap.Chain.Names(), ", "))
	case s.base != "":
		return 0, ErrNotDeployed
	}
	gen, err := c.build(ctx, read(c.path), &Deployment{Name: name})
	if err != nil {
		return 0, &DeployError{Filter: name, Stage: filter.StageOf(err), Err: err}
	}
	if err := c.keep(gen); err != nil {
		return 0, errors.Join(fmt.Errorf("the deploy folder cannot be written: %w", err), gen.close())
	}
	c.install(gen, "remove "+name)
	return gen.snap.Generation, nil
}

// deployed tells what became of a version.
func (g *generation) deployed(name, digest string) Deployed {
	s := g.slot(name)
	out := Deployed{Live: s.live.status(stateLive), Generation: g.snap.Generation}
	out.Filter = out.Live
	for _, v := range s.all() {
		if v.status.Digest == digest {
			out.Filter = v.status
		}
		if v.status.State == statePrevious {
			out.Previous = &v.status
		}
	}
	return out
}

// settle writes down the canaries that have switched themselves off, and takes them out of the chain.
func (c *Controller) settle() {
	gen := c.generation()
	if gen == nil {
		return
	}
	for _, s := range gen.slots {
		if s.switcher == nil || !s.switcher.Off() {
			continue
		}
		_, _ = c.switchTo(s.name, "canary of "+s.name+" failed", func(s *slot, h *history) error {
			if s.switcher == nil || !s.switcher.Off() {
				return ErrNoCanary // somebody has rolled it back meanwhile
			}
			s.takeBack(h, byFailures)
			c.rolledBack(s.name, byFailures)
			return nil
		})
	}
}

// tell makes Watch settle soon. It is called on an exchange's time.
func (c *Controller) tell() {
	select {
	case c.tripped <- struct{}{}:
	default:
	}
}

// keep writes what a generation must find again after a restart: the versions that went live and the state. Nothing is
// written while only checking, or without a deploy folder.
func (c *Controller) keep(gen *generation) error {
	dir := deployDir(gen.config)
	if dir == "" || c.dry {
		return nil
	}
	for _, s := range gen.slots {
		for _, v := range []*version{s.live, s.canary, s.previous} {
			if v == nil || v.inside() {
				continue
			}
			if err := v.artifact.Write(versionDir(dir, s.name, v.ID), s.name); err != nil {
				return err
			}
		}
	}
	if err := c.keepPolicies(dir, gen); err != nil {
		return err
	}
	if was := c.generation(); was == nil || deployDir(was.config) != dir || !was.state.same(gen.state) {
		if err := gen.state.save(dir); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(gen.state)) {
		gen.state[name].prune(dir, name)
	}
	return nil
}
