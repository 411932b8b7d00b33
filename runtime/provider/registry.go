package provider

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
)

// ModelRegistry asks a registry of models what a name stands for: MLflow's (its REST API 2.0), or the Cloudera AI Registry
// (its API v2).
type ModelRegistry struct {
	Kind       string // "mlflow" or "cloudera"
	URL        string // its root, such as http://127.0.0.1:5000
	Credential Credential
	RootCAs    []byte // as in Options
}

// Registered is a model as a configuration names it: by version, by alias, or by neither, which is the newest version.
type Registered struct{ Model, Version, Alias string }

// Version is one version of a registered model.
type Version struct {
	ID      string // the model's: its name at MLflow
	Version string
}

// Resolve asks for the version that a name stands for now. Errors say what was asked and what to do, and never what the
// registry wrote.
func (m *ModelRegistry) Resolve(ctx context.Context, r Registered) (Version, error) {
	c, err := newControlPlane(Options{URL: m.URL, Credential: m.Credential, RootCAs: m.RootCAs})
	if err != nil {
		return Version{}, err
	}
	defer func() { _ = c.transport.Close() }() // nothing is under way
	if m.Kind == "cloudera" {
		return c.cloudera(ctx, r)
	}
	return c.mlflow(ctx, r)
}

// controlPlane is a server that tells of models and serves none.
type controlPlane struct {
	transport  *upstream.Transport
	credential Credential
}

func newControlPlane(o Options) (*controlPlane, error) {
	transport, err := transportOf(o)
	if err != nil {
		return nil, err
	}
	return &controlPlane{transport, o.Credential}, nil
}

// read gets one answer, which is a JSON object.
func (c *controlPlane) read(ctx context.Context, req *upstream.Request) (*strictjson.Reply, error) {
	resp, err := send(ctx, c.transport, c.credential, req, bearer)
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		f, _ := resp.Fail()
		f.BodySent = false // nothing of a caller's
		return nil, f
	}
	reply, err := whole(resp)
	if err != nil {
		return nil, err
	}
	r, err := strictjson.ReadReply(reply.Body)
	if err != nil {
		return nil, notJSON(resp.Status)
	}
	return r, nil
}

// mlflow asks MLflow. An alias and a version have a call each; the newest is the first of a search.
func (c *controlPlane) mlflow(ctx context.Context, r Registered) (Version, error) {
	const root = "/api/2.0/mlflow/"
	name := url.QueryEscape(r.Model)
	path, at := root+"model-versions/search?max_results=1&order_by="+url.QueryEscape("version_number DESC")+
		"&filter="+url.QueryEscape("name='"+r.Model+"'"), ""
	switch {
	case r.Alias != "":
		path, at = root+"registered-models/alias?name="+name+"&alias="+url.QueryEscape(r.Alias), "model_version"
	case r.Version != "":
		path, at = root+"model-versions/get?name="+name+"&version="+url.QueryEscape(r.Version), "model_version"
	}
	reply, err := c.read(ctx, &upstream.Request{Method: "GET", Path: path})
	if err != nil {
		return Version{}, fmt.Errorf("the registry cannot be asked for model %s: %w", r.Model, err)
	}
	defer reply.Release()
	found := reply.Root().Get(at)
	if at == "" {
		found = first(reply.Root().Get("model_versions"))
	}
	v := Version{ID: r.Model, Version: word(found.Get("version"))}
	if v.Version == "" {
		return Version{}, fmt.Errorf("the registry has no such version of model %s; check its name, version and alias", r.Model)
	}
	return v, nil
}

func first(list strictjson.Value) (v strictjson.Value) {
	list.Elements(func(_ int, e strictjson.Value) bool {
		v = e
		return false
	})
	return v
}

// word is a string, or a whole number as one.
func word(v strictjson.Value) string {
	if n, ok := v.Int64(); ok {
		return strconv.FormatInt(n, 10)
	}
	return string(v.Bytes())
}

// cloudera asks the Cloudera AI Registry, which names models by ids of its own.
func (c *controlPlane) cloudera(ctx context.Context, r Registered) (Version, error) {
	if r.Alias != "" {
		return Version{}, fmt.Errorf("the Cloudera AI Registry has no aliases; name a version of %s, or none for the newest", r.Model)
	}
	id, err := c.modelID(ctx, r.Model)
	if err != nil {
		return Version{}, err
	}
	reply, err := c.read(ctx, &upstream.Request{Method: "GET", Path: "/api/v2/models/" + url.PathEscape(id)})
	if err != nil {
		return Version{}, fmt.Errorf("the registry cannot be asked for the versions of model %s: %w", r.Model, err)
	}
	defer reply.Release()
	v, newest := Version{ID: id}, int64(-1)
	reply.Root().Get("model_versions").Elements(func(_ int, e strictjson.Value) bool {
		n, _ := strconv.ParseInt(word(e.Get("version")), 10, 64)
		if r.Version == "" && n > newest || r.Version != "" && word(e.Get("version")) == r.Version {
			v.Version, newest = word(e.Get("version")), n
		}
		return true
	})
	if v.Version == "" {
		return Version{}, fmt.Errorf("the registry has no such version of model %s; check its version", r.Model)
	}
	return v, nil
}

func (c *controlPlane) modelID(ctx context.Context, name string) (id string, err error) {
	reply, err := c.read(ctx, &upstream.Request{Method: "GET", Path: "/api/v2/models"})
	if err != nil {
		return "", fmt.Errorf("the registry's models cannot be listed: %w", err)
	}
	defer reply.Release()
	reply.Root().Get("models").Elements(func(_ int, m strictjson.Value) bool {
		if string(m.Get("name").Bytes()) == name {
			id = string(m.Get("id").Bytes())
		}
		return id == ""
	})
	if id == "" {
		return "", fmt.Errorf("the registry has no model %s; check the name", name)
	}
	return id, nil
}

// ServedBy finds the endpoint of a namespace that serves a version of a registered model, at a Cloudera AI Inference
// service: o.URL is its root.
func ServedBy(ctx context.Context, o Options, namespace string, v Version) (endpoint string, err error) {
	c, err := newControlPlane(o)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.transport.Close() }() // nothing is under way
	reply, err := c.read(ctx, &upstream.Request{Path: listEndpoints, Body: inNamespace(namespace, "")})
	if err != nil {
		return "", fmt.Errorf("the service's endpoints cannot be listed: %w", err)
	}
	defer reply.Release()
	reply.Root().Get("endpoints").Elements(func(_ int, e strictjson.Value) bool {
		name, serves := string(e.Get("name").Bytes()), false
		if serves, err = c.serves(ctx, namespace, name, v); serves {
			endpoint = name
		}
		return endpoint == "" && err == nil
	})
	if err == nil && endpoint == "" {
		err = fmt.Errorf("no endpoint in namespace %s serves version %s of model %s; deploy it, or name another version", namespace, v.Version, v.ID)
	}
	return endpoint, err
}

// serves tells whether an endpoint's description names the version among its revisions.
func (c *controlPlane) serves(ctx context.Context, namespace, name string, v Version) (found bool, err error) {
	reply, err := c.read(ctx, &upstream.Request{Path: "/api/v1alpha1/describeEndpoint", Body: inNamespace(namespace, name)})
	if err != nil {
		return false, fmt.Errorf("endpoint %s cannot be described: %w", name, err)
	}
	defer reply.Release()
	reply.Root().Get("revisions").Elements(func(_ int, r strictjson.Value) bool {
		s := r.Get("source", "registry_source")
		found = string(s.Get("model_id").Bytes()) == v.ID && word(s.Get("version")) == v.Version
		return !found
	})
	return found, nil
}

// inNamespace is the body of a call of the service's control API.
func inNamespace(namespace, name string) []byte {
	b := append([]byte(`{"namespace":`), strictjson.AppendString(nil, namespace)...)
	if name != "" {
		b = strictjson.AppendString(append(b, `,"name":`...), name)
	}
	return append(b, '}')
}
