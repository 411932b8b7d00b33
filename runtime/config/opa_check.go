package config

import (
	"net/url"
	"slices"
	"strings"
)

// checkPolicy checks where the policy comes from.
func checkPolicy(c *Config, d *decoder) {
	p := &c.Policy
	switch {
	case !d.clean("policy"):
		return
	case (p.Path == "") == (len(p.Bundle) == 0):
		d.faultAt("policy", "expected one of path and bundle; write path: FOLDER, or the names of opa.bundles")
		return
	case len(p.Bundle) > 0 && p.Signing != nil:
		d.faultAt("policy.signing", "a bundle's stands with it; write opa.bundles.%s.signing", p.Bundle[0])
	}
	checkPolicyPath(d, "policy.path", p.Path)
	if p.Shadow != nil {
		checkPolicyPath(d, "policy.shadow.path", p.Shadow.Path)
	}
	if log := p.Decisions; log != nil && log.Path == p.Recorded {
		d.faultAt("policy.recorded", "this is the decision log, which changes all the time; copy what is to be tried into another file")
	}
	if p.Signing != nil {
		checkSigning(d, c.OPA, "policy.signing", p.Signing.KeyID)
		if strings.HasPrefix(p.Path, "builtin:") {
			d.faultAt("policy.signing", "what is inside the program has no signature of its own; remove it")
		}
	}
	checkOPA(c, d)
}

// checkOPA checks what single keys of the section can't show.
func checkOPA(c *Config, d *decoder) {
	o, names := c.OPA, c.OPA.Bundles()
	if !d.clean("opa") {
		return
	}
	checkNames(d, c.Policy.Bundle, names)
	if o == nil {
		return
	}
	for name := range o.section("keys") {
		checkKey(d, "opa.keys."+name, o.section("keys", name))
	}
	for _, name := range names {
		checkBundle(d, o, "opa.bundles."+name, o.section("bundles", name))
	}
	for _, s := range []string{"decision_logs", "status"} {
		if o.Has(s) {
			checkService(d, o, "opa."+s, o.section(s))
		}
	}
	if o.Has("decision_logs") && c.Policy.Decisions == nil {
		d.faultAt("opa.decision_logs", "what is uploaded is what the decision log writes; write policy: {decisions: {path: FILE}}")
	}
	checkDelays(d, "opa.decision_logs.reporting", o.section("decision_logs", "reporting"))
	checkServices(d, o)
}

// checkNames checks that the policy is made of all bundles that are fetched.
func checkNames(d *decoder, of Names, names []string) {
	if len(of) == 0 && len(names) > 0 {
		d.faultAt("opa.bundles", "no policy comes from it; write policy: {bundle: NAME} in place of policy.path, or remove it")
		return
	}
	seen := unique{d: d}
	for i, name := range of {
		path := "policy.bundle"
		if len(of) > 1 {
			path = indexed(path, i)
		}
		if seen.add(path, name); !slices.Contains(names, name) {
			d.faultAt(path, "opa.bundles has no bundle of this name; add it there or correct the name")
		}
	}
	for _, name := range names {
		if d.clean("policy.bundle") && !slices.Contains(of, name) {
			d.faultAt("opa.bundles."+name, "the policy is not made of it; write policy: {bundle: [..., %s]}, or remove it", name)
		}
	}
}

// section is a mapping within the section; nil where it is not there.
func (o *OPA) section(path ...string) map[string]any {
	if o == nil {
		return nil
	}
	m := o.doc
	for _, name := range path {
		m, _ = m[name].(map[string]any)
	}
	return m
}

// services are the services by name; OPA takes a list, too.
func (o *OPA) services() map[string]map[string]any {
	out := map[string]map[string]any{}
	switch s := o.doc["services"].(type) {
	case map[string]any:
		for name, v := range s {
			out[name], _ = v.(map[string]any)
		}
	case []any:
		for _, v := range s {
			m, _ := v.(map[string]any)
			name, _ := m["name"].(string)
			out[name] = m
		}
	}
	return out
}

func checkKey(d *decoder, path string, key map[string]any) {
	algorithm, _ := key["algorithm"].(string)
	text, literal := key["key"].(string)
	if strings.HasPrefix(algorithm, "HS") && literal && !variable.MatchString(text) {
		d.faultAt(path+".key", "a secret written out: who knows it can sign; write {env: NAME} or {file: path}, or better a public key")
	}
	if strings.Contains(text, "PRIVATE KEY") {
		d.faultAt(path+".key", "this is the private half: keep it secret, and write the public one")
	}
	if key["key"] == nil && key["private_key"] == nil {
		d.faultAt(path, "expected key: the public key in PEM, or {file: path} of it")
	}
}

func checkSigning(d *decoder, o *OPA, path, keyid string) {
	keys := o.section("keys")
	switch {
	case len(keys) == 0:
		d.faultAt(path, "no key is there to verify with; write opa.keys")
	case keyid != "" && keys[keyid] == nil:
		d.faultAt(path+".keyid", "opa.keys has no key of this name; add it there or correct the name")
	}
}

func checkBundle(d *decoder, o *OPA, path string, b map[string]any) {
	checkService(d, o, path, b)
	if resource, _ := b["resource"].(string); strings.HasPrefix(resource, "file:") {
		d.faultAt(path+".resource", "a file is read once and never again; write policy: {path: FOLDER}, which is watched")
	}
	signing, signed := b["signing"].(map[string]any)
	if signed {
		keyid, _ := signing["keyid"].(string)
		checkSigning(d, o, path+".signing", keyid)
	} else if len(o.section("keys")) > 0 {
		d.faultAt(path, "there are keys, and no signing: OPA would take it without a signature; write signing: {keyid: NAME}, or remove the keys")
	}
	if b["persist"] == true && !o.Has("persistence_directory") {
		d.faultAt(path+".persist", "no folder to keep it in; write opa.persistence_directory")
	}
	polling, _ := b["polling"].(map[string]any)
	checkDelays(d, path+".polling", polling)
}

// checkDelays checks that there are both or none.
func checkDelays(d *decoder, path string, m map[string]any) {
	low, has := m["min_delay_seconds"].(int64)
	high, too := m["max_delay_seconds"].(int64)
	switch {
	case has != too:
		d.faultAt(path, "expected both min_delay_seconds and max_delay_seconds, or none")
	case low > high:
		d.faultAt(path+".max_delay_seconds", "less than min_delay_seconds; make it at least that")
	}
}

// checkService checks the service that a section names. OPA takes any one where none is named.
func checkService(d *decoder, o *OPA, path string, section map[string]any) {
	services := o.services()
	name, _ := section["service"].(string)
	switch {
	case len(services) == 0:
		d.faultAt(path, "there is no service; write opa.services")
	case name == "" && len(services) > 1:
		d.faultAt(path, "there are several services; name one with service")
	case name != "" && services[name] == nil:
		d.faultAt(path+".service", "opa.services has no service of this name; add it there or correct the name")
	}
}

func checkServices(d *decoder, o *OPA) {
	unsigned := map[string]bool{}
	for _, name := range o.Bundles() {
		b := o.section("bundles", name)
		if _, signed := b["signing"]; !signed {
			service, _ := b["service"].(string)
			unsigned[service] = true
		}
	}
	for name, s := range o.services() {
		path := "opa.services." + name
		text, _ := s["url"].(string)
		u, ok := baseURL(text)
		switch {
		case name == "":
			d.faultAt("opa.services", "a service without a name; write name")
		case variable.MatchString(text):
		case !ok:
			d.faultAt(path+".url", "expected a URL such as https://bundles.example.com, without user, query or fragment")
		default:
			checkClear(d, path, u, s, unsigned[name] || unsigned[""])
		}
	}
}

// checkClear refuses what must not go over the network unencrypted.
func checkClear(d *decoder, path string, u *url.URL, service map[string]any, unsigned bool) {
	switch {
	case u.Scheme == "https" || isLoopback(u.Hostname()):
	case service["credentials"] != nil:
		d.faultAt(path+".url", "a credential would be sent in clear; write https")
	case unsigned:
		d.faultAt(path+".url", "an unsigned bundle over http can be exchanged by whoever stands between; write https, or signing with the bundle")
	}
}
