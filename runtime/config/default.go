package config

import "time"

// defaulter is a part of the config that starts from something else than its zero value.
type defaulter interface{ setDefaults() }

func (c *Config) setDefaults() {
	c.HTTP2 = true
	c.Audit = Audit{Path: "audit.jsonl", OnFull: "refuse", Queue: 4096}
	c.Limits = Limits{Body: 8 * MiB, Header: 64 * KiB, Depth: 128, Answer: 32 * MiB, Event: 1 * MiB, Exchanges: 4096, Connections: 16384, Streams: 250, Inflation: 100}
	c.Timeouts = Timeouts{Header: 10 * time.Second, Body: 30 * time.Second, Write: 30 * time.Second, Idle: 2 * time.Minute, Heartbeat: 15 * time.Second}
	c.Drain = Drain{Timeout: 30 * time.Second, MaxAge: 10 * time.Minute}
	c.Log = Log{Level: "info", Format: "text", Access: true}
	c.Policy.setDefaults()
}

func (p *Policy) setDefaults() { p.Timeout = 50 * time.Millisecond }

func (s *Shadow) setDefaults() { s.Sample = 10 }

// DefaultSample is the percentage of decisions that a candidate is asked about of which nothing is said.
func DefaultSample() int {
	var s Shadow
	s.setDefaults()
	return s.Sample
}

func (d *Decisions) setDefaults() {
	d.MaxSize = 256 * MiB
	d.Keep = 4
	d.Queue = 4096
}

func (j *JWT) setDefaults() {
	j.SubjectClaim = "sub"
	j.Leeway = 30 * time.Second
	j.Refresh = 15 * time.Minute
}

func (m *Model) setDefaults() {
	m.Opaque = "refuse"
	m.MaxOutput = 4096
	m.Balance = "weighted"
	m.Queue.setDefaults()
	m.Retries.setDefaults()
	m.Breaker.setDefaults()
}

func (e *Endpoint) setDefaults() {
	e.Weight = 1
	e.UnknownParameters = "pass"
	e.Timeouts = EndpointTimeouts{Connect: 5 * time.Second, FirstByte: 2 * time.Minute, Idle: time.Minute}
}

func (f *Filter) setDefaults() {
	f.Required = true
	f.Fail = "closed"
	f.Stream = "hold"
	f.View = "synthetic"
	f.Isolation = "exchange"
}

func (k *Canary) setDefaults() {
	k.Share = 10
	k.MaxFailures = 1
	k.MinCalls = 100
}

// DefaultFilter is a filter of which the configuration says nothing: one that was deployed.
func DefaultFilter(name string) Filter {
	f := Filter{Name: name}
	f.setDefaults()
	return f
}

// DefaultCanary are the settings of a canary of which nothing is said.
func DefaultCanary() Canary {
	var k Canary
	k.setDefaults()
	return k
}

// Signed tells whether a module without a trusted signature is refused.
func (d *Deploy) Signed() bool {
	if d == nil {
		return false
	}
	if d.RequireSignature == nil {
		return len(d.Trust) > 0
	}
	return *d.RequireSignature
}

func (c *Cache) setDefaults() {
	c.Size = 256 * MiB
	c.TTL = 10 * time.Minute
	c.MaxEntry = 1 * MiB
}
