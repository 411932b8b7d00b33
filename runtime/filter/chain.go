package filter

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/filter/token"
	"github.com/sluicegate/sluice/runtime/wire"
)

// MaxGuestTime bounds the guest time of one exchange and direction over all filters of its chain.
const MaxGuestTime = 250 * time.Millisecond

// Chain is filters in the order they run. It is immutable and safe for concurrent use.
type Chain struct {
	filters  []*Filter
	canaries []*Canary            // beside filters; nil entries where there is one version
	key      string               // CacheKey of a pass of all filters, where they are granted no facts
	ran      []exchange.FilterRun // what a pass of all filters records
}

// Link is one place in a chain.
type Link struct {
	Filter *Filter
	Canary *Canary // a new version of the same name for some principals; nil: none
}

// NewChain makes a chain. Names must differ.
func NewChain(filters ...*Filter) *Chain {
	links := make([]Link, len(filters))
	for i, f := range filters {
		links[i].Filter = f
	}
	return NewChainOf(links...)
}

// NewChainOf makes a chain some of whose filters have two versions. Names must differ, but for a canary's, which is that
// of the filter beside it.
func NewChainOf(links ...Link) *Chain {
	c := &Chain{canaries: make([]*Canary, len(links))}
	all := Pass{c: c, runs: make([]run, len(links))}
	granted := false
	for i, l := range links {
		f := l.Filter
		c.filters, c.canaries[i] = append(c.filters, f), l.Canary
		all.runs[i].f = f
		c.ran = append(c.ran, f.ran())
		granted = granted || len(f.spec.Grants) > 0 || f.hooks&hookHandleResponse != 0
	}
	if !granted {
		c.key = all.digest()
	}
	return c
}

// Names are the filters' names, in order.
func (c *Chain) Names() []string {
	out := make([]string, len(c.filters))
	for i, f := range c.filters {
		out[i] = f.Name()
	}
	return out
}

// passes numbers every pass of the process, so that an instance knows whose text it may hold.
var passes atomic.Uint64

// Pass takes one exchange through a chain: the request first, then the answer, whole or streamed, then restore.
// It belongs to one goroutine at a time. Close gives back what it holds.
type Pass struct {
	// AllowOpaque lets content pass that no text filter can read. The model's configuration says so.
	AllowOpaque bool

	// Numbers gives the numbers of tokens; see token.Table. It is for requests whose text a model server keeps.
	Numbers func(kind, value string) []int

	c       *Chain
	x       *exchange.Exchange
	id      uint64
	runs    []run
	few     [2]run // room for the runs of a usual chain
	varied  bool   // a canary is among the runs
	gate    *gate  // that its tenant's last call went through; nil: none yet
	table   *token.Table
	spent   [2]time.Duration
	counts  [2]map[string]int
	reports [2]map[string]int
	facts   map[string]string // a vector's, in place of the exchange's; nil: the exchange's
}

// Begin starts a pass of the filters named in only; nil means all of them. A name that the chain does not have is an
// error, and so is leaving out a required filter: the policy named what is not there, or may not be chosen.
func (c *Chain) Begin(x *exchange.Exchange, only []string) (*Pass, error) {
	p := &Pass{c: c, x: x, id: passes.Add(1)}
	if only != nil {
		if err := c.check(only); err != nil {
			return nil, err
		}
	}
	if p.runs = p.few[:0]; len(c.filters) > len(p.few) {
		p.runs = make([]run, 0, len(c.filters))
	}
	for i, f := range c.filters {
		if only != nil && !slices.Contains(only, f.Name()) {
			continue
		}
		r := run{f: f, p: p}
		if k := c.canaries[i]; k != nil && k.takes(x.Principal) {
			r.f, r.canary, p.varied = k.f, k, true
		}
		p.runs = append(p.runs, r)
	}
	return p, nil
}

// check holds the policy's choice against the chain.
func (c *Chain) check(only []string) error {
	for _, name := range only {
		if !slices.ContainsFunc(c.filters, func(f *Filter) bool { return f.Name() == name }) {
			return exchange.Fail(exchange.StageAdmit, wire.PolicyFailed, "the policy gave no valid decision",
				fmt.Errorf("admit names the filter %q, which the configuration does not have (it has: %s)", name, strings.Join(c.Names(), ", ")))
		}
	}
	for _, f := range c.filters {
		if f.Required() && !slices.Contains(only, f.Name()) {
			return exchange.Fail(exchange.StageAdmit, wire.PolicyFailed, "the policy gave no valid decision",
				fmt.Errorf("admit leaves out the filter %q, which is required: name it, or declare it optional", f.Name()))
		}
	}
	return nil
}

// NeedsAnswer tells whether a filter of the pass works on answers.
func (p *Pass) NeedsAnswer() bool {
	for i := range p.runs {
		if p.runs[i].f.hooks.any(OnAnswer) {
			return true
		}
	}
	return false
}

// NeedsRestore tells whether the request got tokens that an answer may hold.
func (p *Pass) NeedsRestore() bool { return p.table != nil && p.table.Len() > 0 }

// Redactions counts the spans edited in a direction, by kind; nil if there were none.
func (p *Pass) Redactions(d Direction) map[string]int { return p.counts[d] }

// Reports counts the spans found in a direction whose action is Report, by kind; nil if there were none.
func (p *Pass) Reports(d Direction) map[string]int { return p.reports[d] }

// FailedOpen names the filters that failed in this exchange and are declared open: text passed them unfiltered, so
// what came of it must not be cached.
func (p *Pass) FailedOpen() []string {
	var out []string
	for i := range p.runs {
		if p.runs[i].down {
			out = append(out, p.runs[i].f.Name())
		}
	}
	return out
}

// CacheKey is a digest of what the chain did to this exchange beside editing the request: the filters that ran and
// the facts granted to them. Exchanges of equal requests and equal keys get equal answers from the filters.
func (p *Pass) CacheKey() string {
	if p.c.key != "" && p.whole() {
		return p.c.key
	}
	return p.digest()
}

// digest works the cache key out.
func (p *Pass) digest() string {
	if len(p.runs) == 0 {
		return ""
	}
	b := make([]byte, 0, 512)
	for i := range p.runs {
		f := p.runs[i].f
		b = append(append(append(append(b, f.Name()...), ' '), f.Key()...), ' ')
		b = append(strconv.AppendBool(b, p.runs[i].down), '\n')
		if h := p.runs[i].http; h != nil {
			b = append(append(b, h.seen...), '\n')
		}
		for _, name := range f.spec.Grants {
			if name == factRole {
				continue
			}
			if v, ok := p.fact(name, 0); ok {
				b = append(strconv.AppendQuote(append(append(b, name...), '='), v), '\n')
			}
		}
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// whole tells whether all filters of the chain are in the pass, no canary in the place of one, and none is down.
func (p *Pass) whole() bool {
	return !p.varied && len(p.runs) == len(p.c.filters) && !slices.ContainsFunc(p.runs, func(r run) bool { return r.down })
}

// Close gives back what the pass holds and wipes its text from the instances it used, but for those that are its tenant's
// (IsolateTenant). It may be called more than once.
func (p *Pass) Close() {
	p.handleFailure()
	for i := range p.runs {
		if r := &p.runs[i]; r.used {
			r.used = false
			r.f.stats.held.Add(int64(-r.held))
			r.held = 0
			if o := r.owner(); o.pass != 0 {
				r.f.pool.wipe(o)
			}
		}
	}
}
