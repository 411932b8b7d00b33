// Package provider holds the dialects of model vendors: for each, where its operations are, how it is authenticated to,
// and how its answers, streams and errors are read. A dialect is an upstream.Caller; package upstream plans and repeats
// its calls. One table names them all, and for each the formats of requests that it speaks; a request in another format
// is translated on its way out, and its answer on its way in.
package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire/translate"
)

// Options describe one endpoint to its dialect.
type Options struct {
	URL        string               // base URL, such as http://127.0.0.1:8000/v1; demo takes none
	Credential Credential           // nil: none is sent
	RootCAs    []byte               // PEM certificates an https server's must come from; nil: the system's
	ClientCert *upstream.ClientCert // shown to an https server that asks for one; nil: none is
	Timeouts   upstream.Timeouts    // zero values mean the defaults
	MaxAnswer  int                  // bytes of an answer; 0 means 32 MiB
	MaxEvent   int                  // bytes of one event of a stream; 0 means 1 MiB
	Registry   *upstream.Registry   // shares connections with other generations; nil: not shared
	WordDelay  time.Duration        // demo's pause before each streamed word
	Model      string               // the model's name there, as configured; "" where the dialect is to find it out
	APIs       []string             // of openai: the APIs the server has, such as chat and responses; nil: see openAIFormats
	APIVersion string               // of azure: the version of the API of deployments; "": the v1 API
	Family     string               // of bedrock: what the model is, such as anthropic.claude, where its name does not tell; "": it does
	Betas      []string             // of anthropic and bedrock: the betas of the API that callers may ask for
	Unknown    Unknown              // what becomes of parameters that a request's format does not list
	Parameters []string             // parameters that the endpoint knows beside those
	MaxOutput  int64                // usage tokens of an answer where a translated request names no limit and needs one; 0: 4096
}

// dialect is one row of the table.
type dialect struct {
	build func(Options) (upstream.Caller, error)
	// formats names the wire formats that it speaks. Others are translated to the first of them that they can be
	// translated to: see translated.
	formats func(Options) []string
}

// dialects is THE table of dialects.
var dialects = map[string]dialect{
	"openai":    {newOpenAI, openAIFormats},
	"azure":     {newAzure, azureFormats},
	"anthropic": {newAnthropic, only("anthropic.messages", "anthropic.count_tokens")},
	"nim":       {newNIM, only("openai.chat", "openai.completions", "openai.embeddings", "openai.ranking")},
	"bedrock":   {newBedrock, only(bedrockFormats...)},
	"gemini":    {newGemini, geminiFormats},
	"oip":       {newOIP, only("oip.infer")},
	"cloudera":  {newCloudera, only("openai.chat", "openai.completions", "openai.embeddings", "openai.ranking", "oip.infer")},
	"workbench": {newWorkbench, only("openai.chat")},
	"demo":      {newDemo, only("openai.chat", "openai.completions", "openai.embeddings")},
}

// only are the formats of a dialect that speaks the same at every endpoint.
func only(formats ...string) func(Options) []string {
	return func(Options) []string { return formats }
}

// Kinds lists the names that New takes, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(dialects)) }

// New makes the caller of one endpoint that speaks the dialect of that name.
func New(kind string, o Options) (upstream.Caller, error) {
	d, ok := dialects[kind]
	if !ok {
		return nil, fmt.Errorf("unknown provider %q: want one of %s", kind, strings.Join(Kinds(), ", "))
	}
	native, err := d.build(o)
	if err != nil {
		return nil, err
	}
	c := &translated{native: native, formats: d.formats(o), options: translate.Options{
		MaxOutput: o.MaxOutput, CompletionLimit: kind == "azure" || strings.HasPrefix(o.URL, "https://api.openai.com/"),
		Family: o.Family,
	}}
	if o.Unknown == "" || o.Unknown == UnknownPass {
		return c, nil
	}
	return &choosy{next: c, refuse: o.Unknown == UnknownRefuse, further: o.Parameters}, nil
}
