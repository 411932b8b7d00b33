package config

import (
	"time"
)

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
	// Breaker says when an endpoint of the model is out of the rotation.
	Breaker Breaker `yaml:"breaker"`
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
	// Family is what the model is, at bedrock, where its name does not tell: the ARN of an application inference profile or of
	// provisioned throughput. Left out, a name without one of these words is spoken to by Converse.
	Family string `yaml:"family" jsonschema:"enum=amazon.titan-embed-text,enum=anthropic.claude,enum=cohere.embed,enum=cohere.rerank"`
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
	// Breaker says when the endpoint is out of the rotation; left out, the model's does.
	Breaker *Breaker `yaml:"breaker"`
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
