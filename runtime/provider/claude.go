package provider

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Claude at other clouds: the bodies are those of the Anthropic API, but the model and whether to stream are in the path,
// and the version in the body. Source: Anthropic's Go SDK (v1.84, packages bedrock and vertex).
const (
	bedrockVersion = `"bedrock-2023-05-31"`
	vertexVersion  = `"vertex-2023-10-16"`
)

// relocated is a body with the version in it and without the members that stand elsewhere; betas are named in it where
// there are any.
func relocated(body []byte, version string, betas []string, elsewhere ...string) ([]byte, error) {
	doc, err := strictjson.Parse(body, strictjson.Limits{MaxBytes: len(body) + 1})
	if err != nil {
		return nil, &upstream.Failure{Code: wire.Internal, Cause: err} // the gateway has rendered it
	}
	defer doc.Release()
	root := []strictjson.Override{{Key: "anthropic_version", Raw: []byte(version)}}
	for _, key := range elsewhere {
		root = append(root, strictjson.Override{Key: key})
	}
	if len(betas) > 0 {
		raw := []byte{'['}
		for i, b := range betas {
			if i > 0 {
				raw = append(raw, ',')
			}
			raw = strictjson.AppendString(raw, b)
		}
		root = append(root, strictjson.Override{Key: "anthropic_beta", Raw: append(raw, ']')})
	}
	return doc.RenderWith(nil, root), nil
}

// betasOf are the betas that a request names. One that is not allowed is refused: betas make the model server run and keep
// things.
func betasOf(header []upstream.Field, allowed []string) (out []string, err error) {
	for _, f := range header {
		if f.Name != "Anthropic-Beta" {
			continue
		}
		for b := range strings.SplitSeq(f.Value, ",") {
			if b = strings.TrimSpace(b); b == "" {
				continue
			}
			if !slices.Contains(allowed, b) {
				return nil, &upstream.Failure{Code: wire.UnsupportedField, Param: "anthropic-beta", Retry: upstream.RetryElsewhere}
			}
			out = append(out, b)
		}
	}
	return out, nil
}

// messages is a call as InvokeModel has it.
func (d *bedrock) messages(c *upstream.Call) (*upstream.Call, error) {
	betas, err := betasOf(c.Header, d.betas)
	if err != nil {
		return nil, err
	}
	out := *c
	out.Body, err = relocated(c.Body, bedrockVersion, betas, "model", "stream")
	return &out, err
}

// chunk appends the event that stands in a message of InvokeModel's stream, in base64.
func chunk(dst, payload []byte) ([]byte, error) {
	r, err := strictjson.ReadReply(payload)
	if err != nil {
		return dst, err
	}
	defer r.Release()
	return base64.StdEncoding.AppendDecode(dst, r.Root().Get("bytes").Bytes())
}

// vertexPath is where a call goes at Vertex AI, and its body there. Counts have a model of their own, and name in the body
// whose they are.
func vertexPath(c *upstream.Call) (path string, body []byte, err error) {
	if c.Operation == wire.CountTokens {
		body, err = relocated(c.Body, vertexVersion, nil)
		return "/models/count-tokens:rawPredict", body, err
	}
	path = "/models/" + url.PathEscape(c.Model) + ":rawPredict"
	if c.Stream {
		path = "/models/" + url.PathEscape(c.Model) + ":streamRawPredict"
	}
	body, err = relocated(c.Body, vertexVersion, nil, "model")
	return path, body, err
}
