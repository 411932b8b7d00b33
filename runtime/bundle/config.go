package bundle

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

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

func (c *config) serviceNames() []string { return slices.Sorted(maps.Keys(c.services)) }

// section is a mapping within; nil where it is not there.
func (c *config) section(path ...string) map[string]any {
	m := c.doc
	for _, name := range path {
		m, _ = m[name].(map[string]any)
	}
	return m
}

// bundle is the name of the one bundle; "" is none.
func (c *config) bundle() string {
	for name := range c.section("bundles") {
		return name
	}
	return ""
}

// limits are the bounds of the bundles of each service.
func (c *config) limits() map[string]int64 {
	out := map[string]int64{}
	for name := range c.services {
		for bundle := range c.section("bundles") {
			b := c.section("bundles", bundle)
			if from, _ := b["service"].(string); from != "" && from != name {
				continue
			}
			limit, ok := b["size_limit_bytes"].(float64)
			if !ok {
				limit = defaultLimit
			}
			out[name] = max(out[name], int64(limit))
		}
		if out[name] == 0 {
			out[name] = maxReply
		}
	}
	return out
}

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

// bounded gives the configuration with bounds where there were none, and the services as they were, whose credentials are
// replaced by what bounds their answers.
func (c *config) bounded() ([]byte, map[string]rest.Config, error) {
	doc := maps.Clone(c.doc)
	services, inner := map[string]any{}, map[string]rest.Config{}
	for name, s := range c.services {
		text, err := json.Marshal(s)
		if err != nil {
			return nil, nil, err
		}
		var cfg rest.Config
		if err := json.Unmarshal(text, &cfg); err != nil {
			return nil, nil, fmt.Errorf("service %s: %w", name, err)
		}
		inner[name] = cfg
		out := maps.Clone(s)
		out["name"], out["credentials"] = name, map[string]any{"plugin": prefix + name}
		services[name] = out
	}
	doc["services"] = services
	if bundles := c.section("bundles"); bundles != nil {
		out := map[string]any{}
		for name := range bundles {
			b := maps.Clone(c.section("bundles", name))
			if b == nil {
				b = map[string]any{}
			}
			if _, ok := b["size_limit_bytes"]; !ok {
				b["size_limit_bytes"] = defaultLimit
			}
			out[name] = b
		}
		doc["bundles"] = out
	}
	if logs := c.section("decision_logs"); logs != nil {
		doc["decision_logs"] = boundedLogs(logs)
	}
	text, err := json.Marshal(doc)
	return text, inner, err
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
