package config

import (
	"encoding/json"
	"time"
)

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
