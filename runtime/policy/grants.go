package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
	"github.com/open-policy-agent/opa/v1/version"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// Grantable lists the built-in functions that policies have only where Options.Grants names them. All other withheld ones
// can't be had: print and trace could write text to a log, rego.parse_module reads files' worth of text for nothing here.
//
// What http.send reaches is bounded: by Options.Hosts, on redirects too; by the evaluation's time; to answers of
// 1 MiB; to the system's certificates. Its options tls_* and sockets, which read files, the environment and local servers,
// are errors. opa.runtime tells OPA's version and nothing of the process.
var Grantable = []string{
	"http.send", "net.cidr_contains", "net.cidr_contains_matches", "net.cidr_expand", "net.cidr_intersects", "net.cidr_is_valid",
	"net.cidr_merge", "net.lookup_ip_addr", "opa.runtime",
}

// networked are those that reach out.
var networked = []string{"http.send", "net.lookup_ip_addr"}

// grants is what a policy was granted.
type grants struct {
	names []string
	hosts []string
}

func grantsOf(o Options) grants { return grants{o.Grants, o.Hosts} }

func (g grants) has(name string) bool { return slices.Contains(g.names, name) }

// reachesOut tells whether an evaluation may call out.
func (g grants) reachesOut() bool { return slices.ContainsFunc(networked, g.has) }

// faults are what is wrong with the grants themselves.
func (g grants) faults() Faults {
	var out Faults
	for _, name := range g.names {
		if !slices.Contains(Grantable, name) {
			out = append(out, Fault{Message: fmt.Sprintf("%s can't be granted%s; what can is %s", name, didYouMean(name, Grantable), strings.Join(Grantable, ", "))})
		}
	}
	if g.reachesOut() && len(g.hosts) == 0 {
		out = append(out, Fault{Message: "http.send and net.lookup_ip_addr reach no host; name those that they may reach"})
	}
	return out
}

// capabilities is what the policy may use of the language. Tests reach no host: they replace what calls out.
func (g grants) capabilities(test bool) *ast.Capabilities {
	c := capabilities()
	for _, b := range ast.Builtins {
		if g.has(b.Name) {
			c.Builtins = append(c.Builtins, b)
		}
	}
	if !test {
		c.AllowNet = slices.Concat([]string{}, g.hosts)
	}
	return c
}

// runtimeInfo is what opa.runtime gives.
func runtimeInfo() *ast.Term {
	return ast.ObjectTerm(ast.Item(ast.StringTerm("version"), ast.StringTerm(version.Version)))
}

// maxAnswer bounds what http.send reads of one answer, in bytes.
const maxAnswer = 1 << 20

var (
	errTransport = errors.New("TLS options and sockets are not available to policies")
	errOffline   = errors.New("recorded inputs are judged without calling out")
	errAnswer    = fmt.Errorf("the answer is over %d bytes", maxAnswer)
)

// newTransport is what http.send sends with.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxConnsPerHost: 64, MaxIdleConnsPerHost: 16,
		IdleConnTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
}

// roundTrip sends one request of http.send; it is an http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip is for http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func refuse(why error) roundTrip {
	return func(*http.Request) (*http.Response, error) { return nil, why }
}

// send sends a request and reads its answer whole, within the bound.
func (e *entry[T]) send(r *http.Request) (*http.Response, error) {
	resp, err := e.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	err = errors.Join(err, resp.Body.Close())
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxAnswer:
		return nil, errAnswer
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// outside says how an evaluation meets what is outside of it. The zero value is the usual: calls go out where they are
// granted, and what they gave is not kept.
type outside struct {
	offline *bool             // nothing goes out; set where something would have; nil: what goes out goes
	calls   builtins.NDBCache // what non-deterministic built-ins gave, to be used and added to; nil: neither
}

// options are the evaluation's, for a policy that may reach out.
func (e *entry[T]) options(o outside) []rego.EvalOption {
	var out []rego.EvalOption
	if o.calls != nil {
		out = append(out, rego.EvalNDBuiltinCache(o.calls))
	}
	if e.transport == nil {
		return out
	}
	return append(out, rego.EvalHTTPRoundTripper(func(t *http.Transport) http.RoundTripper {
		switch {
		case o.offline != nil:
			*o.offline = true
			return refuse(errOffline)
		case t != nil: // made for options of the call that are not granted
			return refuse(errTransport)
		default:
			return roundTrip(e.send)
		}
	}))
}

// within bounds the time of what goes out, which does not look at the evaluator's own sign.
func (e *entry[T]) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if e.transport == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// newCalls is where calls are kept; nil where they are not.
func (e *entry[T]) newCalls() builtins.NDBCache {
	if !e.keeps || e.memo != nil {
		return nil
	}
	return builtins.NDBCache{}
}

// callsJSON writes calls as the events' nd_builtin_cache; nil where there was none.
func callsJSON(calls builtins.NDBCache) []byte {
	if len(calls) == 0 {
		return nil
	}
	b, err := json.Marshal(calls)
	if err != nil {
		return nil // what is no JSON is not kept
	}
	return b
}

// callsOf reads an event's nd_builtin_cache. Its keys are the operands, as JSON.
func callsOf(recorded strictjson.Node) builtins.NDBCache {
	calls := builtins.NDBCache{}
	for name, list := range recorded.Members() {
		for operands, value := range list.Members() {
			key, err := ast.ValueFromReader(strings.NewReader(operands.Str()))
			if err == nil {
				calls.Put(name.Str(), key, nodeTerm(value).Value)
			}
		}
	}
	return calls
}

// reached counts the calls of what reaches out.
func reached(c builtins.NDBCache) (n int) {
	for _, name := range networked {
		if list := c[name]; list != nil {
			n += list.Len()
		}
	}
	return n
}

// errNotRecorded says that the evaluation would have called out, and the event does not have the answer.
var errNotRecorded = errors.New("the event has no answer to what the policy calls")

// offline evaluates with what a recorded decision's calls gave, and without calling out.
func offline[T any](ctx context.Context, e *entry[T], input ast.Value, calls builtins.NDBCache, h how[T]) (T, error) {
	before, met := reached(calls), false
	h.outside = outside{offline: &met, calls: calls}
	t, err := e.evaluateIn(ctx, input, h)
	if met || reached(calls) > before {
		var none T
		return none, errNotRecorded
	}
	return t, err
}
