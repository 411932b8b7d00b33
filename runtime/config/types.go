package config

import (
	"encoding/json"
	"time"
)

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
	// StateKey is the secret behind the ids that callers get for what model servers keep, at least 16 bytes. Left out, one
	// is made at random at each start, and ids given before are good no more. Gateways that share callers need one key.
	StateKey *Ref `yaml:"state_key"`
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

// Model is one name that callers may ask for, and where it is served.
type Model struct {
	// Name is what callers ask for; auto is reserved.
	Name string `yaml:"name" jsonschema:"required"`
	// Endpoints serve the model.
	Endpoints []Endpoint `yaml:"endpoints" jsonschema:"required"`
	// Labels are facts about the model for the policy.
	Labels map[string]string `yaml:"labels"`
	// Cost is the price of a million usage tokens.
	Cost Cost `yaml:"cost"`
	// Context is the model's window in usage tokens; 0 is unknown.
	Context int `yaml:"context" jsonschema:"minimum=0"`
	// MaxOutput is how many usage tokens an answer may have where the request sets no limit and the endpoint's API wants
	// one, as Anthropic's does.
	MaxOutput int `yaml:"max_output" jsonschema:"minimum=1,maximum=10000000"`
	// Opaque says whether content that no text filter can read may pass beside a required filter.
	Opaque string `yaml:"opaque" jsonschema:"enum=refuse,enum=allow"`
	// Balance says which endpoint is tried first: by weight at random, in turns, the one with the fewest calls under way, the
	// fastest of two, the cheapest, the one that reports the least load, or one and the same for all of a conversation.
	Balance string `yaml:"balance" jsonschema:"enum=weighted,enum=round_robin,enum=least_in_flight,enum=latency,enum=cost,enum=load,enum=sticky"`
	// Queue bounds the exchanges that wait while the model's endpoints have as many calls under way as they may.
	Queue Queue `yaml:"queue"`
	// Retries bound what attempts after the first may add to the model's load.
	Retries Retries `yaml:"retries"`
}

// Cost is in USD per million usage tokens.
type Cost struct {
	// Input is the price of a million tokens of prompts.
	Input float64 `yaml:"input" jsonschema:"minimum=0"`
	// Output is the price of a million tokens of answers.
	Output float64 `yaml:"output" jsonschema:"minimum=0"`
}

// Endpoint is one dialable model server.
type Endpoint struct {
	// Name names the endpoint in policies, metrics and audit records; unique within the model.
	Name string `yaml:"name" jsonschema:"required"`
	// Provider is the dialect the endpoint speaks.
	Provider string `yaml:"provider" jsonschema:"required,enum=anthropic,enum=azure,enum=bedrock,enum=cloudera,enum=demo,enum=gemini,enum=nim,enum=oip,enum=openai,enum=workbench"`
	// APIs are those of the OpenAI API that the server has; a request for another is translated to one of them where it can
	// be. Left out: chat, completions and embeddings.
	APIs []string `yaml:"apis" jsonschema:"enum=chat,enum=completions,enum=embeddings,enum=responses,enum=rerank,enum=ranking"`
	// APIVersion is the version of Azure's API of deployments, such as 2024-10-21; left out, its v1 API is spoken.
	APIVersion string `yaml:"api_version"`
	// Betas are those of the Anthropic API (header anthropic-beta) that callers may ask for at this endpoint; a request for
	// another is refused. Betas make the model server run, fetch and keep things, and change what bodies mean.
	Betas []string `yaml:"betas"`
	// UnknownParameters says what becomes of a request's parameters that its API does not list: pass sends them on; drop
	// leaves them out, and the answer's header x-sluice-dropped names them, but for answers from the cache; refuse tries the
	// next endpoint, and answers 400 with the parameter's name where there is none.
	UnknownParameters string `yaml:"unknown_parameters" jsonschema:"enum=pass,enum=drop,enum=refuse"`
	// Parameters are those that the endpoint knows beside its API's, such as guided_json.
	Parameters []string `yaml:"parameters"`
	// URL is the base of its API, such as http://127.0.0.1:8000/v1.
	URL Setting `yaml:"url"`
	// Model is the model's name there; left out, the same name as here, or for cloudera what the service says.
	Model Setting `yaml:"model"`
	// Registered says which registered model the endpoint serves. What the registry says of it, at each reload, takes the
	// place of {id} and {version} in url and model, and of {endpoint} in the url of provider cloudera.
	Registered *Registered `yaml:"registered"`
	// Credential is the secret sent to this endpoint, and to no other.
	Credential *Credential `yaml:"credential"`
	// Labels are facts about the endpoint, for the policy to choose by.
	Labels map[string]string `yaml:"labels"`
	// Requires names filters without which this endpoint gets nothing.
	Requires []string `yaml:"requires"`
	// Weight is this endpoint's share among its model's endpoints; 0 keeps it as a spare.
	Weight int `yaml:"weight" jsonschema:"minimum=0,maximum=1000000"`
	// Cost is this endpoint's price where it has one of its own; left out, the model's.
	Cost *Cost `yaml:"cost"`
	// Drain keeps new exchanges away; those under way finish.
	Drain bool `yaml:"drain"`
	// WarmUp is how long the endpoint's share grows from a tenth to its full after it was added or has recovered; 0 is not at
	// all.
	WarmUp time.Duration `yaml:"warm_up"`
	// MaxInFlight is how many calls may be under way at once, streams included; 0 is no limit.
	MaxInFlight int `yaml:"max_in_flight" jsonschema:"minimum=0,maximum=1000000"`
	// Health asks the endpoint at intervals whether it is well; left out, its calls alone tell.
	Health *Health `yaml:"health"`
	// Load reads at intervals how busy the endpoint is, for balance: load.
	Load *LoadPage `yaml:"load"`
	// Timeouts bound the steps of one call.
	Timeouts EndpointTimeouts `yaml:"timeouts"`
	// CAFile holds the certificates that an https server's must come from, as PEM; left out, the system's.
	CAFile string `yaml:"ca_file"`
	// ClientCert is the path of a certificate that the endpoint is shown, with its chain, as PEM.
	ClientCert string `yaml:"client_cert"`
	// ClientKey is the path of that certificate's private key, as PEM.
	ClientKey string `yaml:"client_key"`
}

// EndpointTimeouts bound the steps of one call of a model server.
type EndpointTimeouts struct {
	// Connect is for name lookup, TCP and TLS together.
	Connect time.Duration `yaml:"connect"`
	// FirstByte is from the request sent to the answer's first byte.
	FirstByte time.Duration `yaml:"first_byte"`
	// Idle is the longest pause between two pieces of an answer.
	Idle time.Duration `yaml:"idle"`
}

// ModelRegistry is a registry of models: names and versions.
type ModelRegistry struct {
	// Name is what endpoints call it by.
	Name string `yaml:"name" jsonschema:"required"`
	// Kind is whose API it has: mlflow MLflow's, cloudera that of the Cloudera AI Registry.
	Kind string `yaml:"kind" jsonschema:"required,enum=mlflow,enum=cloudera"`
	// URL is its root, such as http://127.0.0.1:5000.
	URL Setting `yaml:"url" jsonschema:"required"`
	// Credential is the secret sent to it.
	Credential *Credential `yaml:"credential"`
	// CAFile holds the certificates that its own must come from, as PEM; left out, the system's.
	CAFile string `yaml:"ca_file"`
}

// Registered is a version of a model in a registry.
type Registered struct {
	// Registry is the name of one of model_registries.
	Registry string `yaml:"registry" jsonschema:"required"`
	// Model is the model's name there.
	Model string `yaml:"model" jsonschema:"required"`
	// Version is the version; left out along with alias, the newest.
	Version string `yaml:"version"`
	// Alias is the name of a version at MLflow, such as champion.
	Alias string `yaml:"alias"`
}

// Filter is one WASM module in the chain.
type Filter struct {
	// Name names the filter in decisions, labels and audit records.
	Name string `yaml:"name" jsonschema:"required"`
	// Module is the path of a .wasm file, builtin: and the name of one inside the program, or oci:// and the reference of
	// an image. Left out where deploy.path is given: the filter of this name that was deployed.
	Module string `yaml:"module"`
	// Version is the module's, where no manifest beside it says so.
	Version string `yaml:"version"`
	// Canary is a new version of the module, for some principals.
	Canary *Canary `yaml:"canary"`
	// On says which directions the filter sees; left out, all that its module has hooks for.
	On []string `yaml:"on" jsonschema:"enum=request,enum=response"`
	// Config holds the actions by kind and the filter's own settings; text in its place is handed to the module as it is.
	Config FilterConfig `yaml:"config"`
	// Grants are the facts the filter may ask for.
	Grants []string `yaml:"grants" jsonschema:"enum=principal.tenant,enum=principal.roles,enum=operation,enum=model,enum=message.role,enum=stream"`
	// Required says that no policy can leave the filter out.
	Required bool `yaml:"required"`
	// Fail says what a failure of the filter does: closed fails the exchange, open goes on without it.
	Fail string `yaml:"fail" jsonschema:"enum=closed,enum=open"`
	// Stream says how streamed answers pass: hold streams and holds back what is not settled; buffer and refuse are for
	// filters that need the whole answer.
	Stream string `yaml:"stream" jsonschema:"enum=hold,enum=buffer,enum=refuse"`
	// View says what an http-wasm handler sees: synthetic a request without credentials, cookies and whatever else tells
	// who asks; full, for trusted modules, the request line and all headers as they came.
	View string `yaml:"view" jsonschema:"enum=synthetic,enum=full"`
	// Isolation says between whose exchanges an instance is put back to its start: exchange between any two; tenant only
	// where the tenant changes, so that a guest may remember text of its own tenant's exchanges.
	Isolation string `yaml:"isolation" jsonschema:"enum=exchange,enum=tenant"`
	// HMACKey is the secret behind the action hmac: at least 16 bytes.
	HMACKey *Ref `yaml:"hmac_key"`
	// Limits bound what the filter may use.
	Limits FilterLimits `yaml:"limits"`
}

// Canary is a new version of a filter that serves a share of the principals, each the same one always. It is taken back
// by itself when too many exchanges fail in it.
type Canary struct {
	// Module is the new version, in the forms of the filter's own module.
	Module string `yaml:"module" jsonschema:"required"`
	// Version is the new module's, where no manifest beside it says so.
	Version string `yaml:"version"`
	// Share is the percentage of principals that get it.
	Share int `yaml:"share" jsonschema:"minimum=0,maximum=100"`
	// MaxFailures is the percentage of exchanges that may fail in it.
	MaxFailures float64 `yaml:"max_failures" jsonschema:"minimum=0,maximum=100"`
	// MinCalls is how many exchanges that percentage is at least taken of.
	MinCalls int `yaml:"min_calls" jsonschema:"minimum=1,maximum=1000000"`
}

// Deploy says how filters are deployed, and whose signatures count.
type Deploy struct {
	// Path is a folder. Each X.wasm in it is in the chain: in the place of the filter of that name, or after those listed,
	// in the order of their names. What is deployed to the admin listener is kept there too.
	Path string `yaml:"path"`
	// Trust are the public keys whose signatures count: ed25519: and 32 bytes as base64.
	Trust []PublicKey `yaml:"trust"`
	// RequireSignature refuses every module, but those inside the program, without a signature by a key of trust. Left
	// out: true where trust names a key.
	RequireSignature *bool `yaml:"require_signature"`
	// Registries are credentials for registries of images; others are asked without one.
	Registries []RegistryLogin `yaml:"registries"`
}

// RegistryLogin is the credential for one registry.
type RegistryLogin struct {
	// Host is the registry as references spell it: host, or host:port.
	Host string `yaml:"host" jsonschema:"required"`
	// User is the name to log in with.
	User string `yaml:"user" jsonschema:"required"`
	// Password is the secret that goes with it.
	Password *Ref `yaml:"password" jsonschema:"required"`
}

// FilterConfig is a filter's config block, split into the host's part and the guest's.
type FilterConfig struct {
	// Request maps kinds to what is done with such text in requests.
	Request Actions
	// Response maps kinds to what is done with such text in answers; token is not possible there.
	Response Actions
	// Guest is every other key, as a JSON object: what the module's on_config gets. Nil when there is none.
	Guest json.RawMessage
	// Text is the whole block where it is text and no mapping: the module gets it as it stands. Existing http-wasm handlers
	// have configurations of their own form.
	Text string
}

// Actions maps a kind of finding, such as email, to one of token, mask, hmac, block and report. The kind default stands
// for every kind not named.
type Actions map[string]string

// FilterLimits bound one filter. Zero is the engine's default.
type FilterLimits struct {
	// Memory is the most linear memory an instance may have; whole pages of 64KiB.
	Memory Size `yaml:"memory"`
	// Output is the most bytes the filter may write for one exchange.
	Output Size `yaml:"output"`
	// Labels is how many labels it may set for one exchange.
	Labels int `yaml:"labels" jsonschema:"minimum=0,maximum=1024"`
	// Logs is how many log records it may write for one exchange.
	Logs int `yaml:"logs" jsonschema:"minimum=0,maximum=1024"`
	// Time is the most guest time for one exchange and direction.
	Time time.Duration `yaml:"time"`
	// Base is the guest time that an exchange and direction has for any text, however short.
	Base time.Duration `yaml:"base"`
	// PerByte is the guest time more that it has for each byte of text.
	PerByte time.Duration `yaml:"per_byte"`
	// Instances is how many instances may be alive at once; further calls wait for one.
	Instances int `yaml:"instances" jsonschema:"minimum=0,maximum=4096"`
	// Idle is after how long an instance that no call used is given back. The last one goes too.
	Idle time.Duration `yaml:"idle"`
	// Held is how many bytes one streamed answer may hold back.
	Held Size `yaml:"held"`
	// Lanes is how many texts one streamed answer may build up side by side.
	Lanes int `yaml:"lanes" jsonschema:"minimum=0,maximum=65536"`
	// Open is how long a span may be that the filter leaves open.
	Open Size `yaml:"open"`
}

// Policy is the Rego that decides. Exactly one of Path and Bundle is given.
type Policy struct {
	// Path is a folder of .rego files and data.json, or builtin:default.
	Path string `yaml:"path"`
	// Bundle is the name of one of opa.bundles.
	Bundle string `yaml:"bundle"`
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
