package control

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// generation is a built Snapshot with what it is made of.
type generation struct {
	config    *config.Config
	snap      *pipeline.Snapshot
	status    *Status
	slots     []*slot
	state     state // what is remembered of the filters once this generation is installed
	live      gated // the policy
	candidate candidate
	policies  policyHistory  // what is remembered of the policy once this generation is installed
	addresses []string       // to listen on, in the order to try
	token     string         // of the admin listener; "" without one, and on a socket
	tls       *tls.Config    // of the public listener; nil: cleartext
	adminTLS  *tls.Config    // of the admin listener; nil: cleartext
	pairs     []usedPair     // certificates that are shown
	closer    []func() error // ends what only this generation uses
	more      atomic.Int32   // generations derived of it, which use what it has
	base      *generation    // that was built, where this one is derived; else nil
	feed      *feed          // where bundles come from and decisions go to; nil is none
}

// close ends what only this generation uses, when the last that was derived of it has closed too.
func (g *generation) close() error {
	if g.more.Add(-1) >= 0 {
		return nil
	}
	var errs []error
	for i := len(g.closer) - 1; i >= 0; i-- {
		errs = append(errs, g.closer[i]())
	}
	g.closer = nil
	return errors.Join(errs...)
}

// input is the config file, read once.
type input struct {
	cfg    *config.Config
	err    error
	before fileSet // the file alone, before it was read
	policy policyChange
}

func read(path string) input {
	in := input{before: look([]string{path})}
	in.cfg, in.err = config.Load(path)
	return in
}

// maxTries is how often a set of files is read that changes while it is read.
const maxTries = 5

// build makes a generation of the files as they are: all of them as they were at one moment, for it starts again when
// any changed meanwhile.
//
// d is a filter to deploy with it; nil is none.
func (c *Controller) build(ctx context.Context, in input, d *Deployment) (*generation, error) {
	for try := 1; ; try++ {
		gen, files, err := c.attempt(ctx, in, d)
		now := look(files.roots)
		c.setSeen(files)
		if now.same(files) && now.files[c.path] == in.before.files[c.path] {
			return gen, err
		}
		if gen != nil {
			err = gen.close()
		}
		if try == maxTries || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("%s: the files change while they are read; reload when they are complete", c.path), ctx.Err(), err)
		}
		pause(ctx, settle)
		change := in.policy
		in = read(c.path)
		in.policy = change
	}
}

// attempt makes a generation and tells which files it is made of, as they were before they were read. What it opened is
// closed again when anything is at fault.
func (c *Controller) attempt(ctx context.Context, in input, d *Deployment) (*generation, fileSet, error) {
	if in.err != nil {
		return nil, look(append([]string{c.path}, c.lastSeen().roots...)), in.err
	}
	files := look(filesOf(c.path, in.cfg))
	b := &builder{c: c, was: c.generation(), cfg: in.cfg, deploy: d, change: in.policy, gen: &generation{config: in.cfg, status: &Status{Since: time.Now()}}}
	b.run(ctx)
	if err := b.faults.Err(); err != nil {
		return nil, files, errors.Join(err, b.gen.close())
	}
	c.next++
	b.gen.snap.Generation, b.gen.status.Generation = c.next, c.next
	return b.gen, files, nil
}

// builder makes one generation. Its steps add what they open to gen.closer and what they find wrong to faults, so that
// one run tells everything.
type builder struct {
	c      *Controller
	was    *generation // the one before; nil for the first
	cfg    *config.Config
	deploy *Deployment // nil: none
	change policyChange
	state  state // of the filters, as it will be
	gen    *generation
	faults config.Faults
}

func (b *builder) run(ctx context.Context) {
	b.gen.snap = &pipeline.Snapshot{
		Created: b.gen.status.Since, Heartbeat: b.cfg.Timeouts.Heartbeat, Longest: b.cfg.Timeouts.Request,
		Limits: strictjson.Limits{MaxBytes: int(b.cfg.Limits.Body), MaxDepth: b.cfg.Limits.Depth},
		Models: map[string]*pipeline.Model{},
	}
	b.listeners()
	b.certified()
	b.auth()
	b.models()
	b.filters(ctx)
	b.opa()
	b.policy(ctx)
	b.stateKeys()
	b.keepers()
}

// minStateKey is the least length of a key: that of the proof in an id, RFC 2104's advice for a truncated HMAC.
const minStateKey = 16

// stateKeys makes the ids of callers' state: with the configuration's keys, or that of this process.
func (b *builder) stateKeys() {
	b.gen.snap.IDs = b.c.ids
	if len(b.cfg.StateKey) == 0 {
		return
	}
	var keys [][]byte
	at := map[string]string{} // where a key stands, by the key
	for i, ref := range b.cfg.StateKey {
		path := b.cfg.StateKey.Path("state_key", i)
		secret, err := ref.Resolve(b.cfg.Dir())
		switch {
		case err != nil:
			b.fault(path, "%v", err)
		case len(secret) < minStateKey:
			b.fault(path, "has %d bytes, of at least %d; make one: openssl rand -hex 32", len(secret), minStateKey)
		case at[secret] != "":
			b.fault(path, "holds the same key as %s; put a new one first, or take one of them out", at[secret])
		}
		if at[secret] == "" {
			at[secret] = path
		}
		keys = append(keys, []byte(secret))
	}
	b.gen.snap.IDs = pipeline.NewMint(keys...)
}

// fault notes what is wrong with a field.
func (b *builder) fault(path, format string, args ...any) {
	b.faults = append(b.faults, b.cfg.Fault(path, format, args...))
}

// certificates reads the PEM file that a field names; "" gives none.
func (b *builder) certificates(path, name string) (pem []byte, ok bool) {
	if name == "" {
		return nil, true
	}
	pem, err := os.ReadFile(b.cfg.Path(name))
	if err != nil {
		b.fault(path, "cannot read the certificates: %v; name a PEM file, relative to the config file", err)
		return nil, false
	}
	return pem, true
}

// digest is the SHA-256 of anything that JSON can write, in hex.
func digest(parts ...any) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, p := range parts {
		if err := enc.Encode(p); err != nil {
			panic("control: a digest of what JSON cannot write: " + err.Error()) // two such would be taken for one
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
