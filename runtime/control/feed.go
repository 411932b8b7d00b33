package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/sluicegate/sluice/runtime/bundle"
	"github.com/sluicegate/sluice/runtime/policy"
)

// feed is where bundles come from, under one configuration of OPA's plugins. It outlives generations: it begins with the
// first one that is installed with it and ends with the next that has another.
type feed struct {
	c      *Controller
	client *bundle.Client
	digest string        // of the configuration, secrets in their places
	tried  chan struct{} // closed when a bundle was activated, or one was tried and failed
	once   sync.Once
	begun  bool // under Controller.building

	last attempt // of what Activate was asked; under Controller.building
}

// attempt is a bundle that did not pass the gate. It is not tried again before it, or what it is checked against, changes:
// OPA asks for it again every moment, and a gate can take seconds.
type attempt struct {
	source  policy.Source
	options policy.Options
	err     error
}

// opa makes the feed that the configuration wants, or takes the one of the generation before.
func (b *builder) opa() {
	cfg := b.cfg.OPA
	if !cfg.Has("bundles") && !cfg.Has("decision_logs") && !cfg.Has("status") {
		return
	}
	text, err := cfg.Resolve(b.cfg.Dir())
	if err != nil {
		b.fault("opa", "%v", err)
		return
	}
	sum := sha256.Sum256(text)
	f := &feed{c: b.c, digest: hex.EncodeToString(sum[:]), tried: make(chan struct{})}
	if was := b.was; was != nil && was.feed != nil && was.feed.digest == f.digest {
		b.gen.feed = was.feed
		return
	}
	f.client, err = bundle.New(bundle.Options{Config: text, Logger: b.c.log, Activate: f.activate, Changed: f.changed})
	if err != nil {
		b.fault("opa", "%v", err)
		return
	}
	b.gen.feed = f
	b.gen.closer = append(b.gen.closer, func() error {
		if !f.begun { // never installed
			f.client.Close(context.Background())
		}
		return nil
	})
}

// follow makes the feed of a generation that was installed the one that counts.
func (c *Controller) follow(f *feed) {
	was := c.feed.Swap(f)
	if was == f {
		return
	}
	if was != nil {
		c.open.Add(1)
		go func() { defer c.open.Done(); was.client.Close(context.Background()) }()
	}
	if f != nil && !c.dry {
		f.begun = true
		c.open.Add(1)
		go func() { defer c.open.Done(); f.start() }()
	}
}

func (f *feed) start() {
	if err := f.client.Start(); err != nil {
		f.c.log.Error("bundles cannot be fetched", "error", err)
		f.once.Do(func() { close(f.tried) })
	}
}

// firstBundle waits for the first word of a bundle, so that whoever starts is told how it stands. A gateway without a policy
// is up, not ready, and refuses all requests.
func (c *Controller) firstBundle(ctx context.Context) {
	f := c.feed.Load()
	if f == nil || c.dry || !f.client.Bundles() {
		return
	}
	t := time.NewTimer(firstTime)
	defer t.Stop()
	select {
	case <-f.tried:
	case <-t.C:
	case <-ctx.Done():
	}
}

const firstTime = 5 * time.Second

// changed is told each time that a bundle was asked for.
func (f *feed) changed(s bundle.Status) {
	defer f.once.Do(func() { close(f.tried) })
	if f.c.feed.Load() != f {
		return
	}
	said := ""
	if s.Fault != nil {
		said = s.Fault.Error()
		f.c.fetches.add(s.Fault.Stage)
	}
	if was := f.c.bundleSaid.Swap(&said); said == "" || was != nil && *was == said {
		return // once for each reason: it is asked for again and again
	}
	f.c.log.Error("a bundle is not taken, the last good policy goes on", "bundle", s.Name, "stage", s.Fault.Stage, "reason", s.Fault.Message)
}

// activate takes a bundle through the gate and swaps to it.
func (f *feed) activate(ctx context.Context, b bundle.Bundle) error {
	files := make(map[string][]byte, len(b.Files))
	for _, file := range b.Files {
		files[file.Path] = file.Body
	}
	src, err := policy.FromFiles(bundlePrefix+b.Name, files)
	if err == nil {
		err = src.Unexpired(time.Now())
	}
	if err == nil {
		if !f.c.lockBuilding(ctx) {
			return ctx.Err()
		}
		defer f.c.building.Unlock()
		err = f.c.takeUp(ctx, f, b.Name, src)
	}
	if err != nil {
		return &bundle.Fault{Stage: gateStage(err), Message: err.Error(), Cause: err}
	}
	return nil
}

// lockBuilding waits for its turn to build, but not longer than ctx lasts: whoever has it may be waiting for the end of
// this very feed.
func (c *Controller) lockBuilding(ctx context.Context) bool {
	for !c.building.TryLock() {
		if pause(ctx, 5*time.Millisecond); ctx.Err() != nil {
			return false
		}
	}
	return true
}

var errSuperseded = errors.New("the configuration has changed meanwhile")

// takeUp takes a policy through the gate and swaps to it, unless it is live. It is called under building.
func (c *Controller) takeUp(ctx context.Context, f *feed, name string, src policy.Source) error {
	was := c.generation()
	switch {
	case was == nil:
		return errEnded
	case was.feed != f:
		return errSuperseded
	case was.snap.Policy.Missing() == "" && reflect.DeepEqual(was.live.source, src):
		f.last = attempt{}
		return nil
	case f.last.err != nil && reflect.DeepEqual(f.last.source, src) && reflect.DeepEqual(f.last.options, was.live.options):
		return f.last.err
	}
	live := gated{source: src, options: was.live.options, path: bundlePrefix + name, field: "policy.bundle"}
	err := live.pass(ctx, true)
	if err == nil {
		err = live.tried(ctx, was.config)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f.last = (attempt{src, live.options, err}); err != nil {
		c.gateFailed(live.path, err)
		return err
	}
	c.swap(was, live)
	return nil
}

// swap installs a generation like the current one, but for the policy.
func (c *Controller) swap(was *generation, live gated) {
	gen := was.derive()
	gen.live, gen.candidate = live, gen.candidate.anew(c.log)
	c.next++
	gen.begin(c, was, c.next)
	gen.snap.Policy, gen.status.Policy, gen.status.NoPolicy = live.policy, live.policy.Revision(), ""
	c.install(gen, "bundle activated")
}

// upload hands a line of the decision log to OPA's uploads, where the configuration has any.
func (c *Controller) upload(line []byte) {
	if f := c.feed.Load(); f != nil {
		f.client.Log(line)
	}
}
