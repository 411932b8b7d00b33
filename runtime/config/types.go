package config

import "time"

// Config is the whole of sluice.yaml, as it was written, with the defaults filled in.
//
// It is plain data: sizes in bytes, durations as time.Duration, paths as written (see Config.Path), secrets as
// references. A slice that was left out is nil.
type Config struct {
	// Listen is the public address, host:port. Left out, the environment decides: see Config.Addresses.
	Listen string `yaml:"listen"`
	// TLS has the public listener speak TLS; left out, it is cleartext.
	TLS *TLS `yaml:"tls"`
	// HTTP2 has the public listener take HTTP/2 beside HTTP/1.1: over TLS, and in the clear from clients that begin with it.
	HTTP2 bool `yaml:"http2"`
	// Admin is the control listener; left out, there is none.
	Admin *Admin `yaml:"admin"`
	// Auth says who may call.
	Auth Auth `yaml:"auth" jsonschema:"required"`
	// Models are what callers may ask for.
	Models []Model `yaml:"models" jsonschema:"required"`
	// ModelRegistries are registries of models, which endpoints may be found by.
	ModelRegistries []ModelRegistry `yaml:"model_registries"`
	// Filters are the chain, in order.
	Filters []Filter `yaml:"filters"`
	// Deploy is the folder that filters are deployed into, and whose signatures count; left out, filters come from the
	// configuration alone and need no signature.
	Deploy *Deploy `yaml:"deploy"`
	// Policy decides on every request.
	Policy Policy `yaml:"policy" jsonschema:"required"`
	// OPA is the configuration of OPA's own plugins, in OPA's own form: services, bundles, keys, decision_logs, status, labels
	// and persistence_directory.
	OPA *OPA `yaml:"opa"`
	// Cache keeps answers in memory; left out, nothing is kept.
	Cache *Cache `yaml:"cache"`
	// StateKey is the secret behind the ids that callers get for what model servers keep, at least 16 bytes; or a list of at
	// most 8, of which the first makes ids and all are read, so that a new key can be put before the old one. Left out, one
	// is made at random at each start, and ids given before are good no more. Gateways that share callers need the same keys.
	StateKey Refs `yaml:"state_key"`
	// Audit is the log of one record for each exchange.
	Audit Audit `yaml:"audit"`
	// Limits bound what one request and all of them together may take.
	Limits Limits `yaml:"limits"`
	// Timeouts bound how long a client may take.
	Timeouts Timeouts `yaml:"timeouts"`
	// Drain says how running exchanges end when the gateway stops or reloads.
	Drain Drain `yaml:"drain"`
	// Log is the program's own log on standard error.
	Log Log `yaml:"log"`

	src *source
}

// TLS is a listener's certificate. The files are looked at again while the gateway runs: a new pair is taken up without a
// restart, and one that cannot be used leaves the old one. TLS 1.2 is the least that is spoken.
type TLS struct {
	// Cert is the path of the certificate and the chain that goes with it, as PEM.
	Cert string `yaml:"cert" jsonschema:"required"`
	// Key is the path of its private key, as PEM.
	Key string `yaml:"key" jsonschema:"required"`
	// ClientAuth says whether clients show a certificate: none; request one, which counts where a request has no other
	// credential; or require one of auth.mtls's authorities on every connection. Left out: request where auth.mtls is given.
	ClientAuth string `yaml:"client_auth" jsonschema:"enum=none,enum=request,enum=require"`
}

// AdminTLS is the control listener's certificate; its files are looked at again as TLS's are.
type AdminTLS struct {
	// Cert is the path of the certificate and the chain that goes with it, as PEM.
	Cert string `yaml:"cert" jsonschema:"required"`
	// Key is the path of its private key, as PEM.
	Key string `yaml:"key" jsonschema:"required"`
}

// MTLS are the clients that are known by a certificate.
type MTLS struct {
	// CAFile holds the authorities that clients' certificates must come from, as PEM.
	CAFile string `yaml:"ca_file" jsonschema:"required"`
	// Clients are known by one name in their certificate each; left out, a certificate opens the connection and says nothing
	// of who asks.
	Clients []MTLSClient `yaml:"clients"`
}

// MTLSClient is one client, known by exactly one of URI, DNS, Email and Subject.
type MTLSClient struct {
	// ID names the client in policies and audit records.
	ID string `yaml:"id" jsonschema:"required"`
	// Tenant is whom the client's requests belong to.
	Tenant string `yaml:"tenant" jsonschema:"required"`
	// Roles are what policies ask for.
	Roles []string `yaml:"roles"`
	// URI is a subject alternative name, such as spiffe://corp/search.
	URI string `yaml:"uri"`
	// DNS is a subject alternative name.
	DNS string `yaml:"dns"`
	// Email is a subject alternative name.
	Email string `yaml:"email"`
	// Subject is the whole subject as RFC 2253 writes it, such as CN=search,O=corp.
	Subject string `yaml:"subject"`
}

// Admin is the control listener: health, metrics, reload. Exactly one of Listen and Socket is given.
type Admin struct {
	// Listen is host:port; it needs a token.
	Listen string `yaml:"listen"`
	// Socket is the path of a unix socket, made with mode 0600.
	Socket string `yaml:"socket"`
	// Token is the credential of control calls: a reference, or the word ephemeral for one made at random at each start.
	Token *Token `yaml:"token"`
	// TLS has the listener speak TLS; left out, it is cleartext.
	TLS *AdminTLS `yaml:"tls"`
	// Hosts are further values of the Host header to accept; the listen address and localhost always are.
	Hosts []string `yaml:"hosts"`
}

// Auth lists the credentials that are accepted.
type Auth struct {
	// Keys are API keys, known by their digest.
	Keys []Key `yaml:"keys"`
	// Ephemeral are keys made at random at each start, printed, and accepted from loopback only.
	Ephemeral []EphemeralKey `yaml:"ephemeral"`
	// JWT are the issuers whose JSON Web Tokens are accepted (RFC 7519).
	JWT []JWT `yaml:"jwt"`
	// MTLS are the clients that are known by a certificate. It needs tls.
	MTLS *MTLS `yaml:"mtls"`
}

// Key is one API key.
type Key struct {
	// ID names the key in policies and audit records.
	ID string `yaml:"id" jsonschema:"required"`
	// Tenant is whom the key's requests belong to.
	Tenant string `yaml:"tenant" jsonschema:"required"`
	// Roles are what policies ask for.
	Roles []string `yaml:"roles"`
	// SHA256 is the digest of the key, as `sluice key new` prints it: 64 hexadecimal digits.
	SHA256 Digest `yaml:"sha256" jsonschema:"required"`
	// Expires is a time (RFC 3339), or a day, which is the last one the key is good for (UTC). Left out: never.
	Expires time.Time `yaml:"expires"`
}

// EphemeralKey is one key made at random at each start.
type EphemeralKey struct {
	// ID names the key in policies and audit records.
	ID string `yaml:"id" jsonschema:"required"`
	// Tenant is whom the key's requests belong to.
	Tenant string `yaml:"tenant" jsonschema:"required"`
	// Roles are what policies ask for.
	Roles []string `yaml:"roles"`
}

// JWT is one issuer of JSON Web Tokens.
type JWT struct {
	// Issuer is the exact value of the claim iss.
	Issuer string `yaml:"issuer" jsonschema:"required"`
	// Audience are the values of which the claim aud must hold at least one.
	Audience []string `yaml:"audience" jsonschema:"required"`
	// Algorithms are the signature algorithms accepted. Symmetric ones and none never are.
	Algorithms []string `yaml:"algorithms" jsonschema:"required,enum=RS256,enum=RS384,enum=RS512,enum=PS256,enum=PS384,enum=PS512,enum=ES256,enum=ES384,enum=ES512,enum=EdDSA"`
	// JWKS is where the keys are: an https URL (http on loopback only), or the path of a file.
	JWKS string `yaml:"jwks" jsonschema:"required"`
	// CAFile holds further certificates to trust when fetching JWKS, as PEM.
	CAFile string `yaml:"ca_file"`
	// SubjectClaim names the claim that says who it is.
	SubjectClaim string `yaml:"subject_claim"`
	// TenantClaim names the claim that holds the tenant; a dot steps into an object where no claim has the whole name.
	TenantClaim string `yaml:"tenant_claim"`
	// Tenant is the tenant of every token of this issuer, in place of TenantClaim.
	Tenant string `yaml:"tenant"`
	// RolesClaim names the claim that holds the roles: a list of strings, or one string with spaces between.
	RolesClaim string `yaml:"roles_claim"`
	// Roles are the roles of every token of this issuer, in place of RolesClaim.
	Roles []string `yaml:"roles"`
	// Leeway is how far clocks may differ.
	Leeway time.Duration `yaml:"leeway"`
	// Refresh is how old the keys may get before they are fetched anew.
	Refresh time.Duration `yaml:"refresh"`
}

// Policy is the Rego that decides. Exactly one of Path and Bundle is given.
type Policy struct {
	// Path is a folder of .rego files and data.json, or builtin:default.
	Path string `yaml:"path"`
	// Bundle names opa.bundles: one, or a list of several that make up the policy together.
	Bundle Names `yaml:"bundle"`
	// Signing refuses a folder without a .signatures.json, as opa sign makes it, by one of opa.keys.
	Signing *Signing `yaml:"signing"`
	// Timeout bounds one evaluation; over it, the request is denied.
	Timeout time.Duration `yaml:"timeout"`
	// ReadsText gives the policy the text of prompts.
	ReadsText bool `yaml:"reads_text"`
	// Grants are built-in functions that the policy may call, and has not otherwise. What calls out needs hosts, and a timeout
	// that leaves time for it.
	Grants []string `yaml:"grants" jsonschema:"enum=http.send,enum=net.cidr_contains,enum=net.cidr_contains_matches,enum=net.cidr_expand,enum=net.cidr_intersects,enum=net.cidr_is_valid,enum=net.cidr_merge,enum=net.lookup_ip_addr,enum=opa.runtime"`
	// Hosts are those that http.send and net.lookup_ip_addr may reach, without ports.
	Hosts []string `yaml:"hosts"`
	// Recorded is a file of decision log events, or a folder of them, *.json: a policy goes live only if it gives a valid
	// decision for the input of each.
	Recorded string `yaml:"recorded"`
	// Shadow is a candidate that is asked beside this policy and decides nothing; left out, there is none.
	Shadow *Shadow `yaml:"shadow"`
	// Decisions is the decision log; left out, none is kept.
	Decisions *Decisions `yaml:"decisions"`
}

// Shadow is a candidate policy. It is asked about a sample of the decisions, after they are made and within bounds; where it
// would decide otherwise is counted. sluice policy promote makes it the live one.
type Shadow struct {
	// Path is a folder of .rego files and data.json, or builtin:default.
	Path string `yaml:"path" jsonschema:"required"`
	// Sample is the percentage of the decisions that it is asked about.
	Sample int `yaml:"sample" jsonschema:"minimum=1,maximum=100"`
}

// Signing says which signature a policy's folder must have.
type Signing struct {
	// KeyID names one of opa.keys; left out, the signature names it.
	KeyID string `yaml:"keyid"`
	// Scope is what the signature must be made for.
	Scope string `yaml:"scope"`
	// ExcludeFiles are patterns of files that need not be signed.
	ExcludeFiles []string `yaml:"exclude_files"`
}

// Decisions is the log of what the policy decided, in OPA's format, for sluice explain and sluice replay. When lines come
// faster than they can be written, they are dropped and counted. They are written within 10 ms and not synced to the disk.
// The policy's data.system.log.mask and data.system.log.drop say what is left out.
type Decisions struct {
	// Path is the file, appended to, made with mode 0600.
	Path string `yaml:"path" jsonschema:"required"`
	// MaxSize is how large the file may grow before it is renamed to path.1, that one to path.2 and so on.
	MaxSize Size `yaml:"max_size"`
	// Keep is how many renamed files are kept.
	Keep int `yaml:"keep" jsonschema:"minimum=0,maximum=1000"`
	// Queue is how many lines may wait to be written.
	Queue int `yaml:"queue" jsonschema:"minimum=1,maximum=1048576"`
	// NDBuiltinCache keeps what granted functions that call out gave, and other non-deterministic ones, with what they were
	// asked. It may hold secrets of the policy's own: mask them.
	NDBuiltinCache bool `yaml:"nd_builtin_cache"`
}

// Cache is the memory for answers.
type Cache struct {
	// Size is how many bytes all entries may take.
	Size Size `yaml:"size"`
	// TTL is how long an entry lives, if the policy does not say.
	TTL time.Duration `yaml:"ttl"`
	// MaxEntry is the largest answer kept.
	MaxEntry Size `yaml:"max_entry"`
}

// Audit is the log of exchanges.
type Audit struct {
	// Path is the file, appended to, made with mode 0600.
	Path string `yaml:"path"`
	// OnFull says what happens when records come faster than they can be written: refuse requests, or drop records and
	// count them.
	OnFull string `yaml:"on_full" jsonschema:"enum=refuse,enum=drop"`
	// Queue is how many records may wait.
	Queue int `yaml:"queue" jsonschema:"minimum=1,maximum=1048576"`
}

// Limits bound requests and answers.
type Limits struct {
	// Body is the largest request body.
	Body Size `yaml:"body"`
	// Header is the largest request header, all fields together.
	Header Size `yaml:"header"`
	// Depth is how deep JSON may be nested.
	Depth int `yaml:"depth" jsonschema:"minimum=1,maximum=128"`
	// Answer is the most bytes of one answer of a model server; of a stream, of all its events together.
	Answer Size `yaml:"answer"`
	// Event is the largest event of a streamed answer.
	Event Size `yaml:"event"`
	// Exchanges is how many may run at once; more are answered 503.
	Exchanges int `yaml:"exchanges" jsonschema:"minimum=1,maximum=1000000"`
	// Connections is how many callers may be connected at once; one more is closed.
	Connections int `yaml:"connections" jsonschema:"minimum=1,maximum=1000000"`
	// Streams is how many requests one HTTP/2 connection may have open at once.
	Streams int `yaml:"streams" jsonschema:"minimum=1,maximum=100000"`
	// Inflation is how many times larger than what was sent a compressed request body may be, beyond 64KiB.
	Inflation int `yaml:"inflation" jsonschema:"minimum=1,maximum=1100"`
}

// Timeouts bound what a client may take, and what it may have to wait.
type Timeouts struct {
	// Header is for a request's header to arrive.
	Header time.Duration `yaml:"header"`
	// Body is for a request's body to arrive.
	Body time.Duration `yaml:"body"`
	// Write is for one piece of an answer to be taken.
	Write time.Duration `yaml:"write"`
	// Idle is how long a connection may stay open between requests.
	Idle time.Duration `yaml:"idle"`
	// Request is for the whole of an exchange, to the last byte of its answer; left out, there is no such bound. A caller may
	// ask for less with x-request-timeout, in seconds.
	Request time.Duration `yaml:"request"`
	// Heartbeat is how long a stream that has begun may be silent before a comment is sent, to show that it lives; it is sent
	// after at most twice that.
	Heartbeat time.Duration `yaml:"heartbeat"`
}

// Drain says how running exchanges end.
type Drain struct {
	// Delay is how long the gateway still takes new requests after the signal to stop, while readiness already says that it
	// stops: as long as it takes whatever sends it requests to notice. Left out, it stops at once.
	Delay time.Duration `yaml:"delay"`
	// Timeout is how long they may go on after the signal to stop.
	Timeout time.Duration `yaml:"timeout"`
	// MaxAge is how long they may go on under an old config after a reload.
	MaxAge time.Duration `yaml:"max_age"`
}

// Log is the program's own log.
type Log struct {
	// Level is the least level written.
	Level string `yaml:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error"`
	// Format is json, or text for people.
	Format string `yaml:"format" jsonschema:"enum=json,enum=text"`
	// Access writes a line for each exchange too.
	Access bool `yaml:"access"`
}
