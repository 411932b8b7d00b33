// Package filter runs WebAssembly filters over the texts of requests and answers.
//
// It stands twice in the flow: between admit and decide it reads and edits the request, and between the model server
// and the caller it reads and edits the answer, whole or as it streams; the restore step, last of all, is here too
// because it needs the exchange's table of tokens.
//
// A filter is a core WebAssembly module of the native ABI, version 1 (filters/abi), or an http-wasm handler, which is run
// in the same way behind an adapter (httpwasm.go, filters/abi/HTTP-WASM.md). What the package guarantees:
//
//   - Bounded: fuel is injected into the module's code at load, so that a guest comes back to Go every 100 to 200 us;
//     guest time, memory, output, labels and log lines are capped. A guest that breaks a bound fails one exchange.
//   - No leak: an instance is put back to its snapshot before another exchange uses it, and thrown away when it trapped
//     or grew. All that was written is put back, and nothing else, because the module's stores mark where they write. A
//     guest cannot carry text from one exchange to the next.
//   - JSON stays JSON: edits in the arguments of tool calls leave what is valid before them valid.
//   - Whole equals streamed: one window loop serves whole texts and streams, and keeps all that lies between two calls.
//   - Closed: a filter that fails, fails the exchange (filter_failed), unless it is declared open; then it is counted.
//
// It does not fetch modules, watch files or know HTTP. No wazero type leaves the package.
package filter

import (
	"sync"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Action is what the host does with a span that a filter found.
type Action string

// The actions.
const (
	Token  Action = "token"  // a reversible token; requests only
	Mask   Action = "mask"   // a fixed replacement that names the kind
	HMAC   Action = "hmac"   // a keyed digest, per tenant: equal values stay equal, and can't be reversed
	Block  Action = "block"  // reject the exchange
	Report Action = "report" // count it and leave the text alone
)

// Direction is a request's way in or an answer's way out.
type Direction uint8

// The directions.
const (
	OnRequest Direction = iota
	OnAnswer
)

// String is "requests" or "answers".
func (d Direction) String() string {
	if d == OnRequest {
		return "requests"
	}
	return "answers"
}

// Actions says what happens to findings: by kind, and by default where a kind is not named. An empty default is Mask.
type Actions struct {
	Request, Answer               map[string]Action
	DefaultRequest, DefaultAnswer Action
}

// What a filter whose answer side needs the whole answer does to a stream (Spec.Whole).
const (
	WholeBuffer = "buffer" // hold the stream back until it is complete
	WholeRefuse = "refuse" // refuse requests that ask for a stream
)

// How far instances are kept apart (Spec.Isolation).
const (
	IsolateExchange = "exchange" // an instance is put back to its snapshot between any two exchanges; the default
	IsolateTenant   = "tenant"   // only where the tenant changes: a guest may remember text of its own tenant's exchanges
)

// Spec describes one filter to load.
type Spec struct {
	Name            string // [a-z0-9] then [a-z0-9_-], at most 64 bytes
	Version         string // for records and metrics; "" where it has none
	Module          []byte // the module's bytes; not kept
	Request, Answer bool   // the directions it is wanted on
	Any             bool   // whatever it has hooks for, in place of Request and Answer
	Config          []byte // handed to on_config as it is; JSON by convention; nil skips on_config
	Actions         Actions
	Grants          []string // facts that get may read: principal.tenant, principal.roles, operation, model, message.role, stream
	Optional        bool     // the policy may leave it out, and content that it can't read passes
	FailOpen        bool     // a failure of the filter lets text pass unfiltered, and is counted
	Whole           string   // "", WholeBuffer or WholeRefuse
	View            string   // what an http-wasm handler sees: "" or ViewSynthetic, or ViewFull
	Isolation       string   // "", IsolateExchange or IsolateTenant
	Limits          Limits
	HMACKey         []byte // from which each tenant's key is derived; needed where an action is HMAC
}

// Limits bounds a filter. A zero field means the default.
type Limits struct {
	ModuleBytes int           // size of the module: 16 MiB
	MemoryPages int           // linear memory in pages of 64 KiB: 256 (16 MiB)
	Instances   int           // instances alive at once; more calls wait: twice GOMAXPROCS, at least 4
	Idle        time.Duration // after which an instance that no call used is given back: 5 min
	Base        time.Duration // guest time per exchange and direction: 50 ms
	PerByte     time.Duration // guest time more for each new byte of text: 2 us
	Total       time.Duration // the two together at most: 250 ms
	Load        time.Duration // guest time of each call while the filter loads: 2 s
	Output      int           // bytes put in place of text or added, per exchange and direction: 1 MiB
	Labels      int           // labels per exchange: 32
	Logs        int           // log lines per exchange: 16
	Open        int           // bytes of one span left open over windows: 256 KiB
	Lanes       int           // texts of one stream built up side by side: 256
	Held        int           // bytes that one stream holds back, all lanes together: 512 KiB
}

// Filter is one loaded filter. It is safe for concurrent use.
type Filter struct {
	spec   Spec
	digest string
	key    string
	hooks  hooks
	engine *Engine
	mod    *module
	pool   *pool
	kinds  kinds
	inert  *classes // nil: the module has no byte classes
	arena  arena    // of size 0 where the module has none
	grants map[string]bool
	stats  counters
	proof  bool   // it runs vectors: findings are spelled out, and fuel is bounded where else time is
	lone   *Chain // of a proof: it alone
	// features are those that an http-wasm handler asked for when it started; headers warns once of those that it sets.
	features uint32
	headers  sync.Once
}

// Name is the filter's name.
func (f *Filter) Name() string { return f.spec.Name }

// Version is the filter's version, "" if it has none.
func (f *Filter) Version() string { return f.spec.Version }

// ran is what an exchange records of the filter.
func (f *Filter) ran() exchange.FilterRun {
	return exchange.FilterRun{Name: f.Name(), Version: f.Version(), Digest: f.Digest()}
}

// Digest is the SHA-256 of the module's bytes as they were given, in hex.
func (f *Filter) Digest() string { return f.digest }

// Key is a digest, in hex, of everything that determines what the filter does: module, config, actions, directions,
// grants and limits. Two filters of equal keys behave alike.
func (f *Filter) Key() string { return f.key }

// Hooks names the hooks that the module has and the configuration uses: "request.text", "answer.text", "on_request",
// "on_response"; of an http-wasm handler "handle_request" and "handle_response".
func (f *Filter) Hooks() []string { return f.hooks.names() }

// Required tells whether the filter may not be left out of an exchange.
func (f *Filter) Required() bool { return !f.spec.Optional }

// Restorable tells whether instances are reused after a reset. Where not, each exchange gets a fresh one; reasons names
// the instructions or globals that prevent it.
func (f *Filter) Restorable() (ok bool, reasons []string) {
	return len(f.mod.unrestorable) == 0, f.mod.unrestorable
}

// hooks is the bit set that sluice_abi_v1 returns.
type hooks uint32

const (
	hookRequestText hooks = 1 << iota
	hookAnswerText
	hookRequest
	hookResponse
	hookHandleRequest // of http-wasm handlers, as the next; no filter of the native ABI can announce them
	hookHandleResponse

	hooksKnown = hookRequestText | hookAnswerText | hookRequest | hookResponse
)

var hookNames = [...]string{"request.text", "answer.text", "on_request", "on_response", handleRequest, handleResponse}

func (h hooks) names() []string {
	var out []string
	for i, name := range hookNames {
		if h&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// text tells whether on_text runs in a direction.
func (h hooks) text(d Direction) bool {
	if d == OnRequest {
		return h&hookRequestText != 0
	}
	return h&hookAnswerText != 0
}

// any tells whether any hook runs in a direction.
func (h hooks) any(d Direction) bool {
	if d == OnRequest {
		return h&(hookRequestText|hookRequest|hookHandleRequest) != 0
	}
	return h&(hookAnswerText|hookResponse|hookHandleResponse) != 0
}

// The flags of on_text's third parameter (filters/abi).
const (
	flagEnd       = 1 << 0
	flagAnswer    = 1 << 1
	flagRoleShift = 2
	flagArguments = 1 << 5
	flagStreamed  = 1 << 6
	flagLeftShift = 16
)

// textFlags are the flags that stay the same for one text.
func textFlags(d Direction, role wire.Role, arguments, streamed bool) uint32 {
	fl := uint32(role&7) << flagRoleShift
	if d == OnAnswer {
		fl |= flagAnswer
	}
	if arguments {
		fl |= flagArguments
	}
	if streamed {
		fl |= flagStreamed
	}
	return fl
}
