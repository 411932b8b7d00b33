package bundle

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/open-policy-agent/opa/v1/plugins/rest"
)

// The bounds that are put where a configuration says nothing.
const (
	defaultLimit  = 64 << 20 // bytes of a bundle, as of a policy's folder; OPA: 1 GiB, and for each file
	defaultBuffer = 64 << 20 // bytes of decisions that wait to be uploaded; OPA: no bound
)

// config is OPA's configuration as it was written.
type config struct {
	doc      map[string]any
	services map[string]map[string]any
}

func parse(text []byte) (*config, error) {
	c := &config{services: map[string]map[string]any{}}
	if err := json.Unmarshal(text, &c.doc); err != nil {
		return nil, fmt.Errorf("OPA's configuration is no JSON: %w", err)
	}
	switch s := c.doc["services"].(type) {
	case map[string]any:
		for name, v := range s {
			c.services[name], _ = v.(map[string]any)
		}
	case []any:
		for _, v := range s {
			m, _ := v.(map[string]any)
			name, _ := m["name"].(string)
			c.services[name] = m
		}
	}
	return c, nil
}

// section is a mapping within; nil where it is not there.
func (c *config) section(path ...string) map[string]any {
	m := c.doc
	for _, name := range path {
		m, _ = m[name].(map[string]any)
	}
	return m
}

// held are the bundles.
func (c *config) held() map[string]*held {
	out := map[string]*held{}
	for name := range c.section("bundles") {
		b := c.section("bundles", name)
		// A delta has no signature, and OPA keeps none.
		out[name] = &held{state: Status{Name: name}, fixed: b["signing"] != nil || b["persist"] == true}
	}
	return out
}

// limits are the bounds of the bundles.
func (c *config) limits() map[string]int64 {
	out := map[string]int64{}
	for name := range c.section("bundles") {
		limit, ok := c.section("bundles", name)["size_limit_bytes"].(float64)
		if !ok {
			limit = defaultLimit
		}
		out[name] = int64(limit)
	}
	return out
}

// service is the name of the service of a section. OPA takes the only one where none is named.
func (c *config) service(section map[string]any) string {
	name, _ := section["service"].(string)
	if name == "" && len(c.services) == 1 {
		for name = range c.services {
			return name
		}
	}
	return name
}

// own begins the name of a service that is one bundle's own, so that what its server answers is known to be of that bundle.
const own = "bundle/"

// folders makes the folder that bundles are kept in: OPA would make it open to all, and for images ends the program where
// it cannot.
func (c *config) folders() error {
	dir, ok := c.doc["persistence_directory"].(string)
	if !ok {
		return nil
	}
	for _, name := range []string{dir, filepath.Join(dir, "bundles")} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			return fmt.Errorf("bundles cannot be kept: %w; name another folder in persistence_directory", err)
		}
	}
	// Layers of images stay there for ever; a bundle that is to be kept is kept beside them.
	if err := os.RemoveAll(filepath.Join(dir, "oci")); err != nil {
		return fmt.Errorf("bundles cannot be kept: %w; name another folder in persistence_directory", err)
	}
	return nil
}

// wrapped is a service as it was written.
type wrapped struct {
	rest.Config
	bundle string // whose own it is; "": of reports and uploads
}

// bounded gives the configuration with bounds where there were none, and the services as they were, whose credentials are
// replaced by what bounds their answers.
func (c *config) bounded() ([]byte, map[string]wrapped, error) {
	doc := maps.Clone(c.doc)
	services, inner := map[string]any{}, map[string]wrapped{}
	add := func(name, bundle string, service map[string]any) error {
		text, err := json.Marshal(service)
		w := wrapped{bundle: bundle}
		if err == nil {
			err = json.Unmarshal(text, &w.Config)
		}
		if err != nil {
			return fmt.Errorf("service %s: %w", name, err)
		}
		out := maps.Clone(service)
		out["name"], out["credentials"] = name, map[string]any{"plugin": prefix + name}
		services[name], inner[name] = out, w
		return nil
	}
	for name, s := range c.services {
		if err := add(name, "", s); err != nil {
			return nil, nil, err
		}
	}
	bundles := map[string]any{}
	for name := range c.section("bundles") {
		b := c.boundedBundle(name)
		bundles[name] = b
		if s := c.services[c.service(b)]; s != nil {
			b["service"] = own + name
			if err := add(own+name, name, s); err != nil {
				return nil, nil, err
			}
		}
	}
	if doc["services"] = services; len(bundles) > 0 {
		doc["bundles"] = bundles
	}
	if status := c.section("status"); status != nil {
		doc["status"] = c.served(status)
	}
	if logs := c.section("decision_logs"); logs != nil {
		doc["decision_logs"] = c.served(boundedLogs(logs))
	}
	text, err := json.Marshal(doc)
	return text, inner, err
}

// served names the service where OPA would take the first.
func (c *config) served(section map[string]any) map[string]any {
	out := maps.Clone(section)
	if name := c.service(section); name != "" {
		out["service"] = name
	}
	return out
}

func (c *config) boundedBundle(name string) map[string]any {
	out := maps.Clone(c.section("bundles", name))
	if out == nil {
		out = map[string]any{}
	}
	if _, ok := out["size_limit_bytes"]; !ok {
		out["size_limit_bytes"] = defaultLimit
	}
	return out
}

func boundedLogs(logs map[string]any) map[string]any {
	out := maps.Clone(logs)
	reporting, _ := logs["reporting"].(map[string]any)
	reporting = maps.Clone(reporting)
	if reporting == nil {
		reporting = map[string]any{}
	}
	if _, ok := reporting["buffer_size_limit_bytes"]; !ok && reporting["buffer_type"] != "event" {
		reporting["buffer_size_limit_bytes"] = defaultBuffer
	}
	out["reporting"] = reporting
	return out
}
