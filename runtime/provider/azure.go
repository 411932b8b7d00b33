package provider

import (
	"context"
	"net/url"
	"strings"

	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// azure speaks the OpenAI API as Azure serves it: under /openai/v1, where a deployment is named as the model, or, with a
// version of the older API, under /openai/deployments/NAME. What its content filters say of prompts and answers passes
// as it is. Source: the Azure OpenAI REST API reference (v1 and 2024-10-21).
type azure struct {
	openAI
	version string
}

func newAzure(o Options) (upstream.Caller, error) {
	base := strings.TrimRight(o.URL, "/")
	base = strings.TrimSuffix(strings.TrimSuffix(base, "/v1"), "/openai")
	o.URL = base + "/openai"
	if o.APIVersion == "" {
		o.URL += "/v1"
	}
	native, err := newOpenAI(o)
	if err != nil {
		return nil, err
	}
	d := &azure{openAI: *native.(*openAI), version: o.APIVersion}
	d.put = azureKey
	return d, nil
}

// azureFormats are the formats of the API; the older one has no responses.
func azureFormats(o Options) []string {
	out := []string{"openai.chat", "openai.completions", "openai.embeddings"}
	if o.APIVersion == "" {
		out = append(out, "openai.responses", openai.KeptName)
	}
	return out
}

// azureKey is where the API wants the secret: a key in a field of its own, and a token of Entra ID, which is a JSON Web
// Token and begins as all of them do, as bearer.
func azureKey(req *upstream.Request, secret string) {
	if strings.HasPrefix(secret, "eyJ") && strings.Count(secret, ".") == 2 {
		req.Bearer = secret
		return
	}
	req.Own = []upstream.Field{{Name: "Api-Key", Value: secret}}
}

// Call sends one request.
func (d *azure) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	if c.Operation.Kept() && d.version == "" {
		return d.kept(ctx, c)
	}
	path := openAIPath(c)
	switch {
	case path == "", d.version != "" && c.Operation == wire.Responses:
		return nil, unsupported(c.Operation)
	case d.version != "":
		path = "/deployments/" + url.PathEscape(c.Model) + path + "?api-version=" + url.QueryEscape(d.version)
	}
	return d.callAt(ctx, path, c)
}

// Probe asks for the list of models.
func (d *azure) Probe(ctx context.Context) error {
	if d.version == "" {
		return d.probeAt(ctx, "/models")
	}
	return d.probeAt(ctx, "/models?api-version="+url.QueryEscape(d.version))
}
