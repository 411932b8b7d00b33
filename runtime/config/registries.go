package config

import (
	"slices"
	"strings"
)

// placeholdersOf are what in an endpoint's url and model a registry's answer takes the place of.
var placeholdersOf = []string{"{id}", "{version}", "{endpoint}"}

// Placeholders tells whether the endpoint's url or model holds one of {id}, {version} and {endpoint}.
func (e *Endpoint) Placeholders() bool {
	return slices.ContainsFunc(placeholdersOf, func(p string) bool {
		return strings.Contains(string(e.URL), p) || strings.Contains(string(e.Model), p)
	})
}

// checkRegistries checks the registries of models.
func checkRegistries(c *Config, d *decoder) {
	for i := range c.ModelRegistries {
		r, path := &c.ModelRegistries[i], indexed("model_registries", i)
		checkName(d, path+".name", r.Name)
		if slices.ContainsFunc(c.ModelRegistries[:i], func(o ModelRegistry) bool { return o.Name == r.Name }) {
			d.faultAt(path+".name", "the name of another registry; give each its own")
		}
		if _, ok := baseURL(string(r.URL)); !ok && d.clean(path+".url") {
			d.faultAt(path+".url", "expected a URL such as http://127.0.0.1:5000, without user, query or fragment")
		}
	}
}

// checkRegistered checks an endpoint's registered model against the registries.
func checkRegistered(c *Config, d *decoder, path string, e *Endpoint) {
	r, path := e.Registered, path+".registered"
	if r == nil || !d.clean(path) {
		return
	}
	i := slices.IndexFunc(c.ModelRegistries, func(m ModelRegistry) bool { return m.Name == r.Registry })
	switch {
	case i < 0:
		d.faultAt(path+".registry", "no registry has this name; add it to model_registries")
		return
	case r.Version != "" && r.Alias != "":
		d.faultAt(path, "expected at most one of version and alias; keep one")
	case r.Alias != "" && c.ModelRegistries[i].Kind == "cloudera":
		d.faultAt(path+".alias", "the Cloudera AI Registry has none; write version, or leave both out for the newest")
	case strings.ContainsAny(r.Model, `'"`):
		d.faultAt(path+".model", "no model's name has a quote; check it")
	case !e.Placeholders():
		d.faultAt(path, "nothing depends on what the registry says; write {id} or {version} into the endpoint's url or model, or remove this")
	case strings.Contains(string(e.URL), "{endpoint}") && (e.Provider != "cloudera" || c.ModelRegistries[i].Kind != "cloudera"):
		d.faultAt(path, "an {endpoint} is found for provider cloudera and a registry of kind cloudera only; write the url out")
	}
}
