package control

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/provider"
)

// askRegistry bounds what a reload waits for one answer of a registry. One that cannot be asked fails the reload, and the
// last good generation stays.
const askRegistry = 10 * time.Second

// registered puts what the registry says of the endpoint's model into its url and model. It is asked once for each
// config that is read: what is derived from that config keeps the answer.
func (b *builder) registered(path string, e *config.Endpoint) bool {
	if !e.Placeholders() {
		return true
	}
	i := slices.IndexFunc(b.cfg.ModelRegistries, func(r config.ModelRegistry) bool { return r.Name == e.Registered.Registry })
	r, at := &b.cfg.ModelRegistries[i], fmt.Sprintf("model_registries[%d]", i)
	m := provider.ModelRegistry{Kind: r.Kind, URL: string(r.URL)}
	var ok bool
	if r.Credential != nil {
		if m.Credential, ok = b.credential(at+".credential", r.Credential); !ok {
			return false
		}
	}
	if m.RootCAs, ok = b.certificates(at+".ca_file", r.CAFile); !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), askRegistry)
	defer cancel()
	v, err := m.Resolve(ctx, provider.Registered{Model: e.Registered.Model, Version: e.Registered.Version, Alias: e.Registered.Alias})
	if err == nil && strings.Contains(string(e.URL), "{endpoint}") {
		ok, err = b.servedBy(ctx, path, e, v)
	}
	if err != nil {
		b.fault(path+".registered", "%v", err)
	}
	if err != nil || !ok {
		return false
	}
	e.URL = config.Setting(strings.NewReplacer("{id}", url.PathEscape(v.ID), "{version}", url.PathEscape(v.Version)).Replace(string(e.URL)))
	e.Model = config.Setting(strings.NewReplacer("{id}", v.ID, "{version}", v.Version).Replace(string(e.Model)))
	b.c.log.Info("registered model resolved", "field", path, "model", v.ID, "version", v.Version)
	return true
}

// servedBy puts the endpoint that serves the version into the endpoint's url.
func (b *builder) servedBy(ctx context.Context, path string, e *config.Endpoint, v provider.Version) (bool, error) {
	o := provider.Options{}
	if !b.secrets(path, e, &o) {
		return false, nil
	}
	root, namespace, err := provider.ClouderaService(string(e.URL))
	if err != nil {
		return false, err
	}
	o.URL = root
	name, err := provider.ServedBy(ctx, o, namespace, v)
	if err != nil {
		return false, err
	}
	e.URL = config.Setting(strings.ReplaceAll(string(e.URL), "{endpoint}", url.PathEscape(name)))
	return true, nil
}
