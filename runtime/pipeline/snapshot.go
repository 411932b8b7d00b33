package pipeline

import (
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/audit"
	"github.com/sluicegate/sluice/runtime/auth"
	"github.com/sluicegate/sluice/runtime/cache"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Snapshot is one generation of everything a request reads. It is immutable once installed: a request loads it once and
// keeps it to the end of its stream.
type Snapshot struct {
	Generation uint64
	Auth       *auth.Authenticator
	Cache      *cache.Cache // usually shared with the generations before and after, as is Audit
	Audit      *audit.Log
	Decisions  *audit.Log // the decision log; nil: none is kept
	Chain      *filter.Chain
	Policy     *policy.Policy
	Shadow     *policy.Shadow // asks a candidate about a sample of the decisions; nil: there is none
	Models     map[string]*Model
	Names      []string // of the models, in the config's order
	Limits     strictjson.Limits
	Created    time.Time
	IDs        *Mint         // of state on model servers; nil: with a key at random
	Heartbeat  time.Duration // how long a stream may be silent before a comment is sent; 0: for ever
	Longest    time.Duration // an exchange may take until its answer's last byte; 0: no bound
	Close      func()        // called once, when retired and the last exchange on it has ended; may be nil

	origins map[where]origin // of the ids of IDs
	seen    atomic.Pointer[seen]
	refs    atomic.Int64 // exchanges on it, plus one while it is the current one
}

// Model is one model callers may ask for.
type Model struct {
	Name   string
	Pool   *upstream.Pool
	Digest string // of the model's definition; part of the cache's key
	Opaque bool   // content that no filter can read may pass
	Facts  policy.ModelFacts
	Input  float64 // USD per million usage tokens
	Output float64
	Prices map[string]Price // of endpoints that have one of their own, by name
}

// Price is in USD per million usage tokens.
type Price struct{ Input, Output float64 }

// cost is the price, in USD, of usage at the endpoint of that name.
func (m *Model) cost(endpoint string, u wire.Usage) float64 {
	p, ok := m.Prices[endpoint]
	if !ok {
		p = Price{m.Input, m.Output}
	}
	return (p.Input*float64(u.Input) + p.Output*float64(u.Output)) / 1e6
}

// acquire takes a reference unless the Snapshot is already closing.
func (s *Snapshot) acquire() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *Snapshot) release() {
	if s.refs.Add(-1) == 0 && s.Close != nil {
		s.Close()
	}
}

// Install makes s the current generation and retires the one before it, which closes when its last exchange has ended.
// It is the one swap: a request sees the old generation whole or the new one whole. Exchanges whose credential the new
// generation no longer accepts are ended.
func (p *Pipeline) Install(s *Snapshot) {
	s.refs.Store(1)
	if s.IDs == nil {
		s.IDs = NewMint()
	}
	s.origins = s.IDs.origins(s.Models)
	old := p.current.Swap(s)
	p.running.revoke(s)
	if old != nil {
		p.running.retire(old)
		old.release()
	}
}

// Retire takes the current generation away, when the process ends: new requests are refused, and the generation closes
// when its last exchange has ended.
func (p *Pipeline) Retire() {
	if old := p.current.Swap(nil); old != nil {
		p.running.retire(old)
		old.release()
	}
}

// Current is the generation that new requests get, nil before the first Install. It is for looking at, not for keeping.
func (p *Pipeline) Current() *Snapshot { return p.current.Load() }

// acquire takes a reference to the current generation.
func (p *Pipeline) acquire() *Snapshot {
	for {
		s := p.current.Load()
		if s == nil {
			return nil
		}
		if s.acquire() {
			return s
		}
	}
}
