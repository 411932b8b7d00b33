package provider

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// cloudera speaks to one model endpoint of the Cloudera AI Inference service (its API v1alpha1). The service serves NIM
// models with the OpenAI API under /v1, those of HuggingFace under /openai/v1, and predictive models with the Open
// Inference Protocol under /v2. Which it is, and what the model is called there, is asked of the service itself, once, and
// again when the model is gone (404), such as after a new version was deployed.
//
// The service scales endpoints to zero: one that answers 503 or 504, or nothing in time, is warming.
type cloudera struct {
	openAI
	namespace, endpoint string
	model               string // as configured; "" is asked for
	served              atomic.Pointer[served]
	asking              chan struct{} // held by the call that asks
}

// served is what the service says of the endpoint.
type served struct {
	api   string // the path of its API: /v1, /openai/v1 or /v2, under the endpoint's
	model string // the model's name there
}

// warmingPause is how long callers are asked to wait for a model that starts, where the service does not say.
const warmingPause = 20 * time.Second

// listEndpoints is the path of the call that lists the endpoints of a namespace.
const listEndpoints = "/api/v1alpha1/listEndpoints"

func newCloudera(o Options) (upstream.Caller, error) {
	d := &cloudera{model: o.Model, asking: make(chan struct{}, 1)}
	var ok bool
	if o.URL, d.namespace, d.endpoint, ok = clouderaURL(o.URL); !ok {
		return nil, errClouderaURL
	}
	native, err := newOpenAI(o)
	if err != nil {
		return nil, err
	}
	d.openAI = *native.(*openAI)
	return d, nil
}

var errClouderaURL = errors.New("cloudera: want the endpoint's url, https://DOMAIN/namespaces/NAMESPACE/endpoints/NAME")

// ClouderaService is the root of the service and the namespace that an endpoint's URL names.
func ClouderaService(endpoint string) (root, namespace string, err error) {
	root, namespace, _, ok := clouderaURL(endpoint)
	if !ok {
		return "", "", errClouderaURL
	}
	return root, namespace, nil
}

// clouderaURL takes an endpoint's URL apart, with or without the path of an API behind it.
func clouderaURL(raw string) (root, namespace, endpoint string, ok bool) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", "", false
	}
	parts := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	if len(parts) < 4 || parts[0] != "namespaces" || parts[2] != "endpoints" || parts[1] == "" || parts[3] == "" {
		return "", "", "", false
	}
	u.Path, u.RawPath = "", ""
	return u.String(), parts[1], parts[3], true
}

// control is the service's control API.
func (d *cloudera) control() *controlPlane { return &controlPlane{d.transport, d.credential} }

// under is a path under the endpoint's.
func (d *cloudera) under(path string) string {
	return "/namespaces/" + d.namespace + "/endpoints/" + d.endpoint + path
}

// Name gives the model's name as the service has it. It makes the dialect an upstream.Namer.
func (d *cloudera) Name(ctx context.Context) (string, error) {
	s, err := d.find(ctx)
	if err != nil {
		return "", err
	}
	return s.model, nil
}

// find gives what the service says of the endpoint, asked for by one call at a time.
func (d *cloudera) find(ctx context.Context) (*served, error) {
	if s := d.served.Load(); s != nil {
		return s, nil
	}
	select {
	case d.asking <- struct{}{}:
		defer func() { <-d.asking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s := d.served.Load(); s != nil {
		return s, nil
	}
	s, err := d.ask(ctx)
	if err != nil {
		return nil, warming(err)
	}
	d.served.Store(s)
	return s, nil
}

// ask asks the service's list of endpoints, and where that may not be read the endpoint itself.
func (d *cloudera) ask(ctx context.Context) (*served, error) {
	s, err := d.listed(ctx)
	switch f := (*upstream.Failure)(nil); {
	case err == nil && d.model != "":
		s.model = d.model
		return s, nil
	case err == nil && (s.api == "/v2" || s.model != ""):
		return s, nil
	case err == nil:
		return d.models(ctx, s.api)
	case errors.As(err, &f) && f.Status == 0:
		return nil, err // nobody is there
	}
	if s, err = d.models(ctx, "/v1"); err == nil {
		return s, nil
	}
	return d.models(ctx, "/openai/v1")
}

// listed finds the endpoint in the service's list.
func (d *cloudera) listed(ctx context.Context) (*served, error) {
	r, err := d.control().read(ctx, &upstream.Request{Path: listEndpoints, Body: inNamespace(d.namespace, "")})
	if err != nil {
		return nil, err
	}
	defer r.Release()
	var s *served
	r.Root().Get("endpoints").Elements(func(_ int, e strictjson.Value) bool {
		if string(e.Get("name").Bytes()) == d.endpoint {
			s = &served{api: apiOf(string(e.Get("url").Bytes())), model: string(e.Get("model_name").Bytes())}
		}
		return s == nil
	})
	if s == nil || s.api == "" {
		f := upstream.Broken("the service lists no endpoint %s in namespace %s that can be called", d.endpoint, d.namespace)
		f.Status = 404
		return nil, f
	}
	return s, nil
}

// apiOf is the path of the API that an endpoint's URL, as the service lists it, leads to.
func apiOf(listed string) string {
	_, path, _ := strings.Cut(listed, "/endpoints/")
	_, path, _ = strings.Cut(path, "/")
	for _, api := range []string{"openai/v1", "v1", "v2"} {
		if path == api || strings.HasPrefix(path, api+"/") {
			return "/" + api
		}
	}
	return ""
}

// models asks the endpoint's own list of models, which has one.
func (d *cloudera) models(ctx context.Context, api string) (*served, error) {
	r, err := d.control().read(ctx, &upstream.Request{Method: "GET", Path: d.under(api + "/models")})
	if err != nil {
		return nil, err
	}
	defer r.Release()
	s := &served{api: api, model: d.model}
	r.Root().Get("data").Elements(func(_ int, m strictjson.Value) bool {
		if s.model == "" {
			s.model = string(m.Get("id").Bytes())
		}
		return s.model == ""
	})
	if s.model == "" {
		return nil, upstream.Broken("the endpoint lists no model; write its name as the endpoint's model")
	}
	return s, nil
}

// Call sends one request to the API that the endpoint serves.
func (d *cloudera) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	s, err := d.find(ctx)
	if err != nil {
		return nil, err
	}
	path := openAIPath(c)
	if c.Operation == wire.Infer {
		path = oipPath(c.Model, "/infer")
	}
	if path == "" || (s.api == "/v2") != (c.Operation == wire.Infer) {
		return nil, unsupported(c.Operation)
	}
	reply, err := d.callAt(ctx, d.under(s.api+path), c)
	if f := (*upstream.Failure)(nil); errors.As(err, &f) && f.Status == 404 {
		d.served.CompareAndSwap(s, nil)
	}
	return reply, warming(err)
}

// warming is the failure of an endpoint that may be starting from nothing. Another endpoint is tried meanwhile.
func warming(err error) error {
	var f *upstream.Failure
	if !errors.As(err, &f) || f.Status != 503 && f.Status != 504 && f.Code != wire.UpstreamTimeout {
		return err
	}
	out := *f
	out.Code, out.Retry = wire.ModelWarming, upstream.RetryElsewhere
	if out.RetryAfter == 0 {
		out.RetryAfter = warmingPause
	}
	return &out
}

// Probe asks the service what it serves.
func (d *cloudera) Probe(ctx context.Context) error {
	d.served.Store(nil)
	_, err := d.find(ctx)
	return err
}
