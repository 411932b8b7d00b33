// Package bundle fetches policies as OPA bundles, with OPA's own plugins: polling with ETags, long polls, signatures, images
// of registries, persistence, reports of status and uploads of decisions are OPA's, configured in OPA's own form.
//
//	server ─► bounds ─► OPA: download, verify, read ─► Activate: the gate, the swap ─► OPA: keep on disk, status
//
// What is added here are the bounds that OPA leaves open (see bounds.go and vet.go), the gate, which OPA's activation is
// replaced with, and faults that say what to do. A bundle that Activate refuses is one that OPA failed to activate: it is not
// kept, its ETag is forgotten, and the reason is in the status that OPA reports.
//
// Policies are not evaluated here.
package bundle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/plugins/bundle"
	"github.com/open-policy-agent/opa/v1/plugins/logs"
	"github.com/open-policy-agent/opa/v1/plugins/status"
)

// Options say what is fetched and what becomes of it. Config, Logger and, where there are bundles, Activate are required.
type Options struct {
	Config []byte // OPA's configuration as JSON, secrets in their places
	Logger *slog.Logger
	// Activate takes a version of each bundle up as one policy, or says why it does not. came is the bundle that has just come.
	// It is called by one goroutine at a time, also with what it was called with before. Its error is best a *Fault.
	Activate func(ctx context.Context, came string, all []Bundle) error
	// Changed is told each time that something was asked for; it must not block. nil is nobody.
	Changed func(Status)
	// Timeout bounds one answer of a server, from the request to the last byte, the time that it may wait for a new bundle
	// aside; 0 means 2 minutes.
	Timeout time.Duration
}

// Bundle is one that was downloaded, or read from where it was kept, and verified.
type Bundle struct {
	Name     string
	Revision string // of its manifest; "" is none
	Files    []File // by path

	manifest manifest
}

// File is one file of a bundle: a module, a data file, .manifest or .signatures.json.
type File struct {
	Path string // slash-separated
	Body []byte
}

// Status is how it stands with one bundle.
type Status struct {
	Name      string
	Revision  string    // of the manifest of the one that is active
	Activated time.Time // zero: none yet
	Answered  time.Time // when the server last answered as it should
	Fault     *Fault    // why the last try failed; nil if it did not
	Since     time.Time // of the first try that failed, where the last one did
	Failures  int64     // tries that failed, in all
}

// Client fetches the bundles of one configuration. It is safe for concurrent use.
type Client struct {
	opts    Options
	manager *plugins.Manager
	bundles *bundle.Config   // nil: none
	logs    *logs.Config     // nil: decisions are not uploaded
	status  *status.Config   // nil: status is not reported
	limits  map[string]int64 // of each bundle, bytes
	folders func() error
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	upload  *upload

	held    map[string]*held // the bundles by name
	ready   chan struct{}    // closed when Start is done
	mu      sync.Mutex
	started bool
	closed  bool
}

// New checks a configuration and makes a Client of it, which does nothing until Start. The error says what OPA has against
// the configuration.
func New(o Options) (*Client, error) {
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Minute
	}
	cfg, err := parse(o.Config)
	if err != nil {
		return nil, err
	}
	registerGate()
	c := &Client{opts: o, limits: cfg.limits(), held: cfg.held(), ready: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.folders = cfg.folders
	raw, inner, err := cfg.bounded()
	if err != nil {
		return nil, err
	}
	c.manager, err = plugins.New(raw, uuid.NewString(), newStore(c), plugins.Logger(&logger{log: o.Logger}),
		plugins.ConsoleLogger(&logger{log: o.Logger}), plugins.WithParserOptions(ast.ParserOptions{RegoVersion: ast.RegoV1}), plugins.InitFiles(maskFiles()))
	if err != nil {
		return nil, fmt.Errorf("OPA does not take the configuration: %w", err)
	}
	for name, config := range inner {
		c.manager.Register(prefix+name, newService(c, config))
		c.manager.UpdatePluginStatus(prefix+name, &plugins.Status{State: plugins.StateOK})
	}
	if err := c.plugins(slices.Sorted(maps.Keys(inner))); err != nil {
		c.manager.Stop(c.ctx)
		return nil, fmt.Errorf("OPA does not take the configuration: %w", err)
	}
	return c, nil
}

// plugins reads the plugins' configurations.
func (c *Client) plugins(services []string) (err error) {
	m := c.manager.GetConfig()
	known, trigger := c.manager.Services(), plugins.DefaultTriggerMode
	if m.Bundles != nil {
		c.bundles, err = bundle.NewConfigBuilder().WithBytes(m.Bundles).WithServices(known).
			WithKeyConfigs(c.manager.PublicKeys()).WithTriggerMode(&trigger).Parse()
	}
	if err == nil && m.DecisionLogs != nil {
		c.logs, err = logs.NewConfigBuilder().WithBytes(m.DecisionLogs).WithServices(known).WithTriggerMode(&trigger).Parse()
		c.upload = newUpload()
	}
	if err == nil && m.Status != nil {
		c.status, err = status.NewConfigBuilder().WithBytes(m.Status).WithServices(known).WithTriggerMode(&trigger).Parse()
	}
	for _, name := range services {
		if _, clientErr := c.manager.AuthPlugin(prefix + name).(*service).check(); err == nil && clientErr != nil {
			err = fmt.Errorf("service %s: %w", name, clientErr)
		}
	}
	return err
}

// Start begins to fetch, with what was kept on disk first, and returns when that was tried.
func (c *Client) Start() (err error) {
	defer func() {
		if r := recover(); r != nil { // OPA makes folders for images so
			err = fmt.Errorf("OPA could not start: %v", r)
		}
	}()
	c.mu.Lock()
	if c.started || c.closed {
		c.mu.Unlock()
		return nil
	}
	c.started = true
	c.mu.Unlock()
	defer close(c.ready)
	if err := c.folders(); err != nil {
		return err
	}
	if err := c.manager.Init(c.ctx); err != nil {
		return err
	}
	c.register()
	return c.manager.Start(c.ctx)
}

// register makes the plugins.
func (c *Client) register() {
	if c.bundles != nil {
		p := bundle.New(c.bundles, c.manager)
		p.Register(c, c.heard)
		c.manager.Register(bundle.Name, p)
	}
	if c.logs != nil {
		p := logs.New(c.logs, c.manager)
		c.manager.Register(logs.Name, p)
		c.upload.begin(p)
	}
	if c.status != nil { // last, for the others report to it until they have stopped
		p := status.New(c.status, c.manager)
		c.manager.Register(status.Name, p)
		if plugin := bundle.Lookup(c.manager); plugin != nil {
			plugin.RegisterBulkListener(status.Name, p.BulkUpdateBundleStatus)
		}
	}
}

// Halt has no bundle activated any more. Decisions are taken until Close.
func (c *Client) Halt() { c.cancel() }

// closeTime bounds how long decisions may still be uploaded at the end.
const closeTime = 5 * time.Second

// Close ends it: an activation under way is given up, decisions that wait are uploaded, within 5 seconds or until ctx ends.
func (c *Client) Close(ctx context.Context) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	started := c.started
	c.mu.Unlock()
	c.cancel()
	if started {
		<-c.ready
	}
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	if c.upload != nil {
		c.upload.close()
	}
	c.manager.Stop(ctx)
}

// Status tells how it stands with each bundle, by name.
func (c *Client) Status() []Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Status
	for _, name := range slices.Sorted(maps.Keys(c.held)) {
		out = append(out, c.held[name].state)
	}
	return out
}

// Bundles is how many there are.
func (c *Client) Bundles() int { return len(c.held) }

// note keeps what an attempt failed of, for OPA tells the text alone.
func (c *Client) note(name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[name].noted = err
}

// heard is told by OPA how an attempt ended.
func (c *Client) heard(s bundle.Status) {
	h := c.held[s.Name]
	h.ended()
	c.mu.Lock()
	noted := h.noted
	h.noted = nil
	if s.Code == "" {
		h.state.Answered, h.state.Fault, h.state.Since = s.LastSuccessfulRequest, nil, time.Time{}
		h.whole = false
	} else {
		h.state.Failures++
		h.fail(faultOf(s, noted, c.source(s.Name)))
		h.whole = h.whole || h.state.Fault.Stage != StageDownload && h.state.Fault.Stage != StageWait // had it been a delta, it may be for another base
	}
	c.tell(h)
}

// refused notes that what was kept on disk is not taken; of what comes from a server, heard tells.
func (c *Client) refused(h *held, f *Fault) {
	c.mu.Lock()
	h.fail(f)
	c.tell(h)
}

func (h *held) fail(f *Fault) {
	h.state.Fault = f
	if h.state.Since.IsZero() {
		h.state.Since = time.Now()
	}
}

// tell passes the state on, and gives up the lock.
func (c *Client) tell(h *held) {
	state := h.state
	c.mu.Unlock()
	if c.opts.Changed != nil {
		c.opts.Changed(state)
	}
}

// source says where a bundle comes from, for people.
func (c *Client) source(name string) origin {
	src := c.bundles.Bundles[name]
	if src == nil {
		return origin{bundle: name}
	}
	return origin{bundle: name, service: src.Service, resource: src.Resource, limit: src.SizeLimitBytes}
}

var errClosed = errors.New("the client is closed")
