package provider

import (
	"context"

	"github.com/sluicegate/sluice/runtime/upstream"
)

// nim speaks to a NVIDIA NIM: the OpenAI API, passages ranked at /ranking, and health pages of its own. What else its
// requests may have (nvext, guided_json, input_type) passes as it is.
type nim struct{ openAI }

func newNIM(o Options) (upstream.Caller, error) {
	native, err := newOpenAI(o)
	if err != nil {
		return nil, err
	}
	return &nim{*native.(*openAI)}, nil
}

// Probe asks whether the model is loaded (NIM's /v1/health/ready), and where there is no such page for the models.
func (d *nim) Probe(ctx context.Context) error {
	resp, err := send(ctx, d.transport, d.credential, &upstream.Request{Method: "GET", Path: "/health/ready"}, bearer)
	if err != nil {
		return err
	}
	if resp.Status >= 200 && resp.Status <= 299 {
		return resp.Close()
	}
	f, _ := resp.Fail()
	if resp.Status == 404 || resp.Status == 405 {
		return d.openAI.Probe(ctx)
	}
	return f
}
