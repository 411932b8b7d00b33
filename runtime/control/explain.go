package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/policy"
)

// Explained is why a decision was as it was.
type Explained struct {
	Event    json.RawMessage     `json:"event"`            // of the decision log
	Record   json.RawMessage     `json:"record,omitempty"` // of the audit log: findings, attempts, cache, outcome
	Then     string              `json:"policy_then"`      // revision that decided
	Now      string              `json:"policy_now"`       // revision that explains: the current one
	Admit    *policy.Explanation `json:"admit,omitempty"`
	Decision *policy.Explanation `json:"decision,omitempty"`
	// Candidates are the models and endpoints that might have served the request, and CacheKey what the cache went by. Both
	// are told of allowed requests only.
	Candidates []ToldCandidate `json:"candidates,omitempty"`
	CacheKey   *ToldKey        `json:"cache_key,omitempty"`
}

var (
	// ErrNoDecisions says that the configuration keeps no decision log.
	ErrNoDecisions = errors.New("the configuration keeps no decision log; set policy.decisions.path")
	// ErrUnknownDecision says that the logs have no such decision.
	ErrUnknownDecision = errors.New("no such decision in the decision log; it may have been rotated away, or dropped when the log's queue was full")
)

// Explain looks a decision up, by its id or its request's, and asks the current policy about its input again, traced. It
// reads the logs from their beginnings.
func (c *Controller) Explain(ctx context.Context, id string) (Explained, error) {
	gen := c.generation()
	if gen == nil {
		return Explained{}, errEnded
	}
	return gen.explain(ctx, id)
}

// Explain is Controller.Explain with the files of a configuration that nobody need serve.
func Explain(ctx context.Context, o Options, id string) (e Explained, err error) {
	c, err := open(ctx, o, true)
	if err != nil {
		return Explained{}, err
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	return c.Explain(ctx, id)
}

func (g *generation) explain(ctx context.Context, id string) (e Explained, err error) {
	cfg := g.config
	if cfg.Policy.Decisions == nil {
		return e, ErrNoDecisions
	}
	if e.Event, err = g.event(ctx, cfg, id); err != nil {
		return e, err
	}
	e.Now = g.snap.Policy.Revision()
	if e.Then, e.Admit, e.Decision, err = g.snap.Policy.ExplainEvent(ctx, e.Event); err != nil {
		return e, err
	}
	if cfg.Audit.Path != "" {
		e.Record, err = find(ctx, cfg.Path(cfg.Audit.Path), id)
	}
	g.tell(&e)
	return e, err
}

// event finds the decision's line in the log, the newest file first.
func (g *generation) event(ctx context.Context, cfg *config.Config, id string) (json.RawMessage, error) {
	path := cfg.Path(cfg.Policy.Decisions.Path)
	for n := 0; n <= cfg.Policy.Decisions.Keep; n++ {
		name := path
		if n > 0 {
			name = fmt.Sprintf("%s.%d", path, n)
		}
		line, err := find(ctx, name, id)
		if line != nil || err != nil {
			return line, err
		}
	}
	return nil, ErrUnknownDecision
}

// maxLine bounds one line of a log.
const maxLine = 16 << 20

// find gives the first line of a log, the decision's or the audit's, that is about a decision or request; nil where there
// is none, or no file.
func find(ctx context.Context, path, id string) (json.RawMessage, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	quoted, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if line := lines.Bytes(); bytes.Contains(line, quoted) && about(line, id) {
			return bytes.Clone(line), nil
		}
	}
	return nil, lines.Err()
}

// about tells whether a line has the id as its decision's or its request's.
func about(line []byte, id string) bool {
	var v struct {
		ID         string `json:"id"` // the request's, in the audit log
		DecisionID string `json:"decision_id"`
		Custom     struct {
			RequestID string `json:"request_id"`
		}
	}
	return json.Unmarshal(line, &v) == nil && (v.ID == id || v.DecisionID == id || v.Custom.RequestID == id)
}
