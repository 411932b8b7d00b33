// Package exchange holds the nouns that the stages of the pipeline share: the Exchange (one request and its answer),
// who asked (Principal), what the policy said (Admission, Decision), and how it ended (Outcome, Error).
//
// A field is here only because two stages need it. Nothing here does I/O, and nothing outlives the request but the
// audit Record that is made of it.
package exchange

import (
	"crypto/x509"
	"net/netip"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Exchange is one request and its answer on their way through the pipeline. It belongs to one goroutine at a time.
type Exchange struct {
	ID         string // UUID version 4 (RFC 9562); x-request-id
	Start      time.Time
	Generation uint64 // the Snapshot's
	Operation  wire.Operation
	Client     Client
	Principal  *Principal // nil until authenticated
	Request    *wire.Request
	Admission  Admission
	Labels     Labels
	Decision   Decision
	Cache      CacheStatus
	Model      string // the model that served, by the gateway's name; "" until known
	Endpoint   string // the endpoint that served
	Attempts   []Attempt
	Filters    []FilterRun // filters that really ran, in order
	Usage      wire.Usage
	Cost       float64 // USD
	FirstByte  time.Time
	Outcome    Outcome
}

// Client is what is known of the caller's connection and request.
type Client struct {
	IP      netip.Addr
	Port    uint16              // of the connection; 0 where it is not known
	Headers map[string][]string // canonical names, as received; stages read, never write
	// Certificates came with the connection, leaf first; whoever holds it has proved to have the leaf's key, and nothing else
	// is known of them yet. Nil without TLS, or where none was sent.
	Certificates []*x509.Certificate

	// The request line and the authority, as received. The URI begins with a slash and may have a query.
	Method, URI, Protocol, Host string
}

// Principal is who asks. ID is unique over methods and issuers: "key:search-app", "jwt:https://idp|alice".
type Principal struct {
	ID         string
	Tenant     string // never empty
	Roles      []string
	Claims     map[string]any // JWT claims as JSON values; nil for keys
	Method     string         // "key", "jwt", "ephemeral", "mtls"
	Credential string         // names the credential for revocation: a key's id, a token's issuer and subject
	Expires    time.Time      // zero: never
}

// Admission is what the policy says before the filters run.
type Admission struct {
	Allowed    bool
	Reasons    []string
	Message    string
	HTTPStatus int      // 0: 403
	Filters    []string // names to run; nil: all
	Calls      []byte   // as Decision's
}

// Decision is what the policy says of the request as it would be sent.
type Decision struct {
	ID          string // UUID version 4; x-sluice-decision-id
	Revision    string // the policy's
	Allowed     bool
	Reasons     []string // codes, sorted
	Message     string
	HTTPStatus  int               // 0: 403
	Models      []string          // in order of preference; nil: the one asked for
	Endpoints   map[string]string // labels an endpoint must carry
	Cache       CachePolicy
	Allow       []string          // what may be reached on the model server, sorted: a kind (wire.Kinds), or kind:id
	Restore     []string          // tools whose arguments get restored values
	Headers     map[string]string // added to the answer
	Annotations map[string]string // copied to the audit record
	Debug       bool
	Calls       []byte // what non-deterministic built-ins gave, as JSON for the decision log; nil: none kept
}

// CachePolicy is the decision's word on the cache.
type CachePolicy struct {
	Mode  CacheMode
	Scope CacheScope
	TTL   time.Duration // 0: the configured one
}

// CacheMode says what the cache may do for an exchange.
type CacheMode string

// The cache modes. The zero value is off.
const (
	CacheOff       CacheMode = ""
	CacheRead      CacheMode = "read"
	CacheReadWrite CacheMode = "read-write"
)

// CacheScope says who shares an entry. The zero value is the principal alone.
type CacheScope string

// The cache scopes.
const (
	ScopePrincipal CacheScope = ""
	ScopeTenant    CacheScope = "tenant"
)

// CacheStatus is what the cache did, as x-sluice-cache says it.
type CacheStatus string

// The cache statuses.
const (
	CacheNone      CacheStatus = ""
	CacheHit       CacheStatus = "hit"
	CacheMiss      CacheStatus = "miss"
	CacheCoalesced CacheStatus = "coalesced"
	CacheBypass    CacheStatus = "bypass"
)

// Attempt is one try at one endpoint.
type Attempt struct {
	Model    string
	Endpoint string
	Code     wire.Code // "" when it answered
	Status   int       // HTTP status of the model server; 0 when none came
	Duration time.Duration
}

// Candidate is one endpoint that was considered for the exchange.
type Candidate struct {
	Model    string
	Endpoint string   // "": no endpoint of the model was
	State    Standing // how it stood
}

// Standing says how an endpoint stood when the order of attempts was made.
type Standing string

// The standings: of endpoints that may be tried, in the order in which they are, and of those that were passed over.
const (
	StandingReady  Standing = "ready"
	StandingProbe  Standing = "probe"  // due for the one call that tells whether it is well again
	StandingSpare  Standing = "spare"  // of weight 0: behind the others
	StandingPaused Standing = "paused" // it asked for a pause
	StandingOut    Standing = "out"    // it failed too often, or does not pass its health checks

	PassedLabels   Standing = "labels"   // it lacks a label that the decision asks for
	PassedRequires Standing = "requires" // a filter that it requires did not run
	PassedDrains   Standing = "drains"   // the configuration takes it out of use
	PassedOpaque   Standing = "opaque"   // the model takes no content that the filters cannot read
)

// Passed tells whether an endpoint of that standing was never to be tried.
func (s Standing) Passed() bool {
	switch s {
	case PassedLabels, PassedRequires, PassedDrains, PassedOpaque:
		return true
	default:
		return false
	}
}

// Lap is the time that one stage took.
type Lap struct {
	Stage Stage
	Took  time.Duration
}

// FilterRun names a filter that ran for the exchange.
type FilterRun struct {
	Name    string
	Version string // "" where it has none
	Digest  string // SHA-256 of the module's bytes, hex
}

// Labels are facts for the policy: filter name, then key, then bool, int64 or string.
// The host's own stand under "sluice".
type Labels map[string]map[string]any

// Set sets one label.
func (l *Labels) Set(filter, key string, value any) {
	if *l == nil {
		*l = Labels{}
	}
	m := (*l)[filter]
	if m == nil {
		m = map[string]any{}
		(*l)[filter] = m
	}
	m[key] = value
}
