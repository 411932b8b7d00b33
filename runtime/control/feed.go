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

	last  attempts          // under Controller.building
	said  map[string]string // the fault of each bundle that was logged last
	heard map[string]bool   // the bundles that something is known of
}

// attempts are bundles that did not pass the gate, by the digest of their text. They are not tried again before they, or
// what they are checked against, change: OPA asks for them again every moment, and a gate can take seconds.
type attempts struct {
	options policy.Options
	errs    map[string]error
}

// maxAttempts bounds them: each of a few bundles can be refused in two ways.
const maxAttempts = 16

// of is the error of a text that was refused.
func (a *attempts) of(digest string, o policy.Options) error {
	if !reflect.DeepEqual(a.options, o) || len(a.errs) >= maxAttempts {
		*a = attempts{options: o, errs: map[string]error{}}
	}
	return a.errs[digest]
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
	f := &feed{c: b.c, digest: hex.EncodeToString(sum[:]), tried: make(chan struct{}), said: map[string]string{}, heard: map[string]bool{}}
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

// firstBundle waits for the first word of each bundle, so that whoever starts is told how it stands. A gateway without a policy
// is up, not ready, and refuses all requests.
func (c *Controller) firstBundle(ctx context.Context) {
	f := c.feed.Load()
	if f == nil || c.dry || f.client.Bundles() == 0 {
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

// changed is told each time that a bundle was asked for. It is called by one goroutine at a time.
func (f *feed) changed(s bundle.Status) {
	if f.heard[s.Name] = true; len(f.heard) == f.client.Bundles() {
		defer f.once.Do(func() { close(f.tried) })
	}
	if f.c.feed.Load() != f {
		return
	}
	said := ""
	if s.Fault != nil {
		said = s.Fault.Error()
		f.c.fetches.add(s.Name, s.Fault.Stage)
	}
	was := f.said[s.Name]
	if f.said[s.Name] = said; said == "" || was == said {
		return // once for each reason: it is asked for again and again
	}
	f.c.log.Error("a bundle is not taken, the last good policy goes on", "bundle", s.Name, "stage", s.Fault.Stage, "reason", s.Fault.Message)
}

// activate takes bundles through the gate and swaps to them.
func (f *feed) activate(ctx context.Context, came string, all []bundle.Bundle) error {
	src, err := joined(came, all)
	if err == nil {
		if !f.c.lockBuilding(ctx) {
			return ctx.Err()
		}
		defer f.c.building.Unlock()
		err = f.c.takeUp(ctx, f, src)
	}
	if err != nil {
		return &bundle.Fault{Stage: gateStage(err), Message: err.Error(), Cause: err}
	}
	return nil
}

// joined is the policy that bundles make up. The signature of the one that came must not have expired; the others were
// looked at when they came.
func joined(came string, all []bundle.Bundle) (policy.Source, error) {
	parts := make(map[string]policy.Source, len(all))
	for _, b := range all {
		files := make(map[string][]byte, len(b.Files))
		for _, file := range b.Files {
			files[file.Path] = file.Body
		}
		src, err := policy.FromFiles(bundlePrefix+b.Name, files)
		if err == nil && b.Name == came {
			err = src.Unexpired(time.Now())
		}
		if err != nil {
			return policy.Source{}, err
		}
		parts[b.Name] = src
	}
	return policy.Join(parts)
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
func (c *Controller) takeUp(ctx context.Context, f *feed, src policy.Source) error {
	was := c.generation()
	digest := src.Digest()
	switch {
	case was == nil:
		return errEnded
	case was.feed != f:
		return errSuperseded
	case was.snap.Policy.Missing() == "" && reflect.DeepEqual(was.live.source, src):
		return nil
	}
	if err := f.last.of(digest, was.live.options); err != nil {
		return err
	}
	live := gated{source: src, options: was.live.options, path: bundlePath(was.config.Policy.Bundle), field: "policy.bundle"}
	err := live.pass(ctx, c.tested, true)
	if err == nil {
		err = live.tried(ctx, was.config)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		f.last.errs[digest] = err
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
