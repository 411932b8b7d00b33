package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/plugins/logs"
	"github.com/open-policy-agent/opa/v1/server"
)

// maxQueue bounds the decisions that wait to be handed to OPA, which takes a tenth of a millisecond for each.
const maxQueue = 4096

// Log hands an event of the decision log to OPA's uploads: one line, as policy.AppendEvent makes it. It does not wait; what
// finds no place is dropped and counted. The line is not kept.
func (c *Client) Log(line []byte) {
	if c.upload == nil {
		return
	}
	select {
	case c.upload.lines <- bytes.Clone(line):
	default:
		c.upload.dropped.Add(1)
	}
}

// Uploads tells whether decisions are uploaded.
func (c *Client) Uploads() bool { return c.logs != nil }

// Dropped is how many decisions found no place on their way to OPA's uploads.
func (c *Client) Dropped() int64 { return c.upload.drops() }

// upload feeds OPA's plugin.
type upload struct {
	plugin  *logs.Plugin // set by begin
	lines   chan []byte
	dropped atomic.Int64
	stop    sync.Once
	ending  chan struct{}
	done    chan struct{}
}

func newUpload() *upload {
	return &upload{lines: make(chan []byte, maxQueue), ending: make(chan struct{}), done: make(chan struct{})}
}

// begin feeds the plugin from here on, also with what has come before.
func (u *upload) begin(p *logs.Plugin) {
	u.plugin = p
	go u.run()
}

func (u *upload) drops() int64 {
	if u == nil {
		return 0
	}
	return u.dropped.Load()
}

// close hands on what waits.
func (u *upload) close() {
	if u.plugin == nil {
		return // never begun
	}
	u.stop.Do(func() { close(u.ending) })
	<-u.done
}

func (u *upload) run() {
	defer close(u.done)
	for {
		select {
		case line := <-u.lines:
			u.hand(line)
		case <-u.ending:
			for {
				select {
				case line := <-u.lines:
					u.hand(line)
				default:
					return
				}
			}
		}
	}
}

// hand gives one event to OPA.
func (u *upload) hand(line []byte) {
	info, err := infoOf(line)
	if err == nil {
		err = u.plugin.Log(context.Background(), info)
	}
	if err != nil {
		u.dropped.Add(1)
	}
}

// event is a line of the decision log.
type event struct {
	DecisionID  string `json:"decision_id"`
	TraceID     string `json:"trace_id"`
	SpanID      string `json:"span_id"`
	Path        string
	Query       string
	Timestamp   time.Time
	Bundles     map[string]server.BundleInfo
	RequestedBy string          `json:"requested_by"`
	Input       *any            `json:"input"`
	Result      *any            `json:"result"`
	Cache       *any            `json:"nd_builtin_cache"`
	Error       json.RawMessage `json:"error"`
	Metrics     map[string]any
	Erased      []string
	Masked      []string
	Custom      map[string]any
}

// infoOf makes of a line what OPA's plugin takes.
func infoOf(line []byte) (*server.Info, error) {
	var e event
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&e); err != nil {
		return nil, err
	}
	info := &server.Info{
		DecisionID: e.DecisionID, TraceID: e.TraceID, SpanID: e.SpanID, Path: e.Path, Query: e.Query, Timestamp: e.Timestamp,
		Bundles: e.Bundles, RemoteAddr: e.RequestedBy, Custom: e.Custom, Metrics: figures{metrics.NoOp(), e.Metrics},
	}
	if len(e.Error) > 0 {
		info.Error = failure(e.Error)
	}
	marks, err := e.marks()
	if err != nil {
		return nil, err
	}
	info.InputAST, info.Input, info.Results, info.NDBuiltinCache = marks, e.Input, e.Result, e.Cache
	return info, nil
}

// figures are the metrics of an event.
type figures struct {
	metrics.Metrics
	all map[string]any
}

// All gives them as they are.
func (f figures) All() map[string]any { return f.all }

// failure is the error of an event, as JSON.
type failure json.RawMessage

// Error is the JSON.
func (f failure) Error() string { return string(f) }

// MarshalJSON gives it as it is.
func (f failure) MarshalJSON() ([]byte, error) { return f, nil }

// An event comes masked, by the policy's own rules, with the places in `masked` and `erased`. OPA's plugin masks too, and
// is the only one to set these fields. So it is given a policy of ours in place of the operator's, that names the same
// places: what was erased is put there for it to erase once more, and what was masked gets the value that it has. The
// policy finds the places in place of the input, which OPA lets one give in two forms.

// masks is that policy.
const masks = `package system.log

mask contains {"op": "remove", "path": path} if some path in input.input.erased

mask contains {"op": "upsert", "path": m.path, "value": m.value} if some m in input.input.masked
`

const masksFile = "sluice/masks.rego"

func maskModule() *ast.Module {
	return ast.MustParseModuleWithOpts(masks, ast.ParserOptions{RegoVersion: ast.RegoV1})
}

// maskFiles is the policy as OPA begins with it.
func maskFiles() loader.Result {
	m := &loader.RegoFile{Name: masksFile, Parsed: maskModule(), Raw: []byte(masks)}
	return loader.Result{Documents: map[string]any{}, Modules: map[string]*loader.RegoFile{masksFile: m}}
}

// compileMasks puts the policy into the compiler that OPA has from an activation on.
func compileMasks(c *ast.Compiler) error {
	if c.Compile(map[string]*ast.Module{masksFile: maskModule()}); c.Failed() {
		return c.Errors
	}
	return nil
}
