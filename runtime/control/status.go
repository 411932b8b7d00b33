package control

import "time"

// Status tells what is live, for the start's greeting, readiness and the admin listener. It holds no secret.
type Status struct {
	Generation uint64         `json:"generation"` // 0 before the first
	Since      time.Time      `json:"since"`
	Models     []ModelStatus  `json:"models"`
	Filters    []FilterStatus `json:"filters"`
	Policy     string         `json:"policy"` // revision
	PolicyPath string         `json:"policy_path"`
	Rules      []RuleStatus   `json:"rules"`               // the policy's entry points
	NoPolicy   string         `json:"no_policy,omitempty"` // why there is none yet: all requests are refused; "" when there is one
	Bundles    []BundleStatus `json:"bundles,omitempty"`   // that the policy is made of
	Fault      string         `json:"fault,omitempty"`     // why the last reload was refused; "" when the last one was installed
	FaultSince time.Time      `json:"fault_since,omitzero"`
	// SwitchedOff are canaries that failed too often, until another version is live beside which they stood.
	SwitchedOff []OffStatus `json:"switched_off,omitempty"`
	// Certificates are those that the gateway shows: of its listeners, and to endpoints.
	Certificates []CertificateStatus `json:"certificates,omitempty"`
	Stopping     bool                `json:"stopping,omitempty"` // the process ends when the last exchanges have finished
}

// RuleStatus is one entry point of the policy, and how its answers are remembered.
type RuleStatus struct {
	Rule        string   `json:"rule"`                   // admit or decision
	Reads       []string `json:"reads"`                  // the parts of input it can read
	Hits        uint64   `json:"hits"`                   // answers from the memo
	Misses      uint64   `json:"misses"`                 // answers evaluated that are then in the memo
	HitRatio    float64  `json:"hit_ratio"`              // 0 to 1
	NotMemoised []string `json:"not_memoised,omitempty"` // why answers are not remembered, with file, line and column
}

// ModelStatus is one model that callers may ask for.
type ModelStatus struct {
	Name      string           `json:"name"`
	Endpoints []EndpointStatus `json:"endpoints"`
}

// EndpointStatus is one endpoint of a model.
type EndpointStatus struct {
	Name     string `json:"name"`
	Provider string `json:"provider"`
	URL      string `json:"url,omitempty"` // the configuration takes none with a user or a query
}

// FilterStatus is one version of a filter.
type FilterStatus struct {
	Name     string   `json:"name"`
	Version  string   `json:"version,omitempty"`
	Module   string   `json:"module"`
	Digest   string   `json:"digest"` // SHA-256 of the module, hex
	Hooks    []string `json:"hooks"`
	Required bool     `json:"required"`
	State    string   `json:"state"`           // live, canary, previous or switched_off
	Share    int      `json:"share,omitempty"` // of a canary: the percentage of principals that get it
}

// OffStatus is a canary that was switched off for its failures.
type OffStatus struct {
	Filter  string    `json:"filter"`
	Version string    `json:"version,omitempty"`
	Digest  string    `json:"digest"`
	At      time.Time `json:"at,omitzero"`
}

// Label names the version for people: the version, or the start of the digest where it has none.
func (s OffStatus) Label() string { return FilterStatus{Version: s.Version, Digest: s.Digest}.Label() }

// switchedOff are the canaries that failed too often, those of this moment first.
func (g *generation) switchedOff() []OffStatus {
	var out []OffStatus
	for _, s := range g.slots {
		if s.switcher != nil && s.switcher.Off() {
			out = append(out, OffStatus{Filter: s.name, Version: s.canary.Version, Digest: s.canary.Digest})
			continue
		}
		for _, o := range g.state.of(s.name).Off {
			if o.Reason == byFailures && o.Beside == s.live.Digest {
				out = append(out, OffStatus{s.name, o.Version, o.Digest, o.At})
			}
		}
	}
	return out
}

// Label tells the versions of a filter apart: the version, or the start of the digest where it has none.
func (s FilterStatus) Label() string {
	if s.Version == "" {
		return s.Digest[:12]
	}
	return s.Version
}

// Status is the current generation's, with the fault of the last reload if it was refused.
func (c *Controller) Status() Status {
	st := *c.status.Load()
	st.Stopping = c.stopping.Load()
	if gen := c.generation(); gen != nil {
		st.SwitchedOff = gen.switchedOff()
		for _, e := range gen.snap.Policy.Entries() {
			st.Rules = append(st.Rules, RuleStatus{e.Rule, e.Reads, e.Hits, e.Misses, e.HitRatio(), e.NotMemoised})
		}
		st.Certificates = gen.certified()
	}
	st.Bundles = c.bundleStatus()
	return st
}

// Ready tells whether a generation with a policy is serving, and goes on to.
func (s Status) Ready() bool { return s.Generation > 0 && !s.Stopping && s.NoPolicy == "" }
