package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// demo is the built-in dialect that dials nothing.
const demo = "demo"

// nameForm is what names may be made of: they stand in logs, labels, headers and policies.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$`)

// check reports what single fields can't show: contradictions, duplicates, references to nothing.
func check(c *Config, d *decoder) {
	checkListen(c, d)
	checkAuth(c, d)
	checkTLS(c, d)
	checkRegistries(c, d)
	for i := range c.Models {
		checkModel(c, d, i)
	}
	for i := range c.Filters {
		checkFilter(c, d, i)
	}
	if c.Deploy != nil {
		checkDeploy(d, c.Deploy)
	}
	checkPolicy(c, d)
	checkGrants(c, d)
	if c.Cache != nil && c.Cache.MaxEntry > c.Cache.Size {
		d.faultAt("cache.max_entry", "larger than the whole cache; make it at most cache.size")
	}
	if c.Limits.Event > c.Limits.Answer {
		d.faultAt("limits.event", "larger than a whole answer; make it at most limits.answer")
	}
}

func checkPolicyPath(d *decoder, field, path string) {
	if name, ok := strings.CutPrefix(path, "builtin:"); ok && name != "default" {
		d.faultAt(field, "no such policy inside the program; write builtin:default or the path of a folder")
	}
}

// plainHost is a host without scheme, port or path.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)

func checkGrants(c *Config, d *decoder) {
	out := slices.Contains(c.Policy.Grants, "http.send") || slices.Contains(c.Policy.Grants, "net.lookup_ip_addr")
	switch {
	case out && len(c.Policy.Hosts) == 0:
		d.faultAt("policy.grants", "http.send and net.lookup_ip_addr reach no host; name those that they may reach in policy.hosts")
	case !out && len(c.Policy.Hosts) > 0:
		d.faultAt("policy.hosts", "nothing that is granted reaches a host; grant http.send or net.lookup_ip_addr, or remove this")
	}
	for i, host := range c.Policy.Hosts {
		if !plainHost.MatchString(host) {
			d.faultAt(fmt.Sprintf("policy.hosts[%d]", i), "expected a host's name or IPv4 address alone, such as idp.example.com")
		}
	}
}

func checkListen(c *Config, d *decoder) {
	loopback, ok := hostPort(c.Listen)
	if c.Listen != "" && !ok {
		d.faultAt("listen", "expected host:port, such as 127.0.0.1:8080")
	}
	if c.Listen != "" && ok && !loopback && len(c.Auth.Ephemeral) > 0 {
		d.faultAt("auth.ephemeral", "ephemeral keys are for loopback only; listen on 127.0.0.1, or write keys (`sluice key new`)")
	}
	if a := c.Admin; a != nil && d.clean("admin") {
		checkAdmin(c, d, a)
	}
}

func checkAdmin(c *Config, d *decoder, a *Admin) {
	_, ok := hostPort(a.Listen)
	switch {
	case (a.Listen == "") == (a.Socket == ""):
		d.faultAt("admin", "expected one of listen and socket; keep one")
	case a.Listen != "" && !ok:
		d.faultAt("admin.listen", "expected host:port, such as 127.0.0.1:9090")
	case a.Listen != "" && a.Token == nil:
		d.faultAt("admin", "a listener needs a token; write token: {env: SLUICE_ADMIN_TOKEN} or token: ephemeral, or use socket")
	case a.Listen != "" && a.Listen == c.Listen && !strings.HasSuffix(a.Listen, ":0"):
		d.faultAt("admin.listen", "the same as listen; control has a port of its own")
	}
}

func checkAuth(c *Config, d *decoder) {
	a := &c.Auth
	if len(a.Keys)+len(a.Ephemeral)+len(a.JWT) == 0 && (a.MTLS == nil || len(a.MTLS.Clients) == 0) && d.clean("auth") {
		d.faultAt("auth", "no credential is accepted; write keys, ephemeral, jwt or mtls with clients")
	}
	ids, digests, issuers := unique{d: d}, unique{d: d}, unique{d: d}
	for i := range a.Keys {
		k, path := &a.Keys[i], indexed("auth.keys", i)
		checkHolder(d, path, k.ID, k.Tenant, k.Roles)
		ids.add(path+".id", k.ID)
		if k.SHA256 != (Digest{}) {
			digests.add(path+".sha256", string(k.SHA256[:]))
		}
	}
	for i := range a.Ephemeral {
		k, path := &a.Ephemeral[i], indexed("auth.ephemeral", i)
		checkHolder(d, path, k.ID, k.Tenant, k.Roles)
		ids.add(path+".id", k.ID)
	}
	for i := range a.JWT {
		checkJWT(d, indexed("auth.jwt", i), &a.JWT[i])
		issuers.add(indexed("auth.jwt", i)+".issuer", a.JWT[i].Issuer)
	}
}

// checkHolder checks what a key stands for.
func checkHolder(d *decoder, path, id, tenant string, roles []string) {
	checkName(d, path+".id", id)
	checkName(d, path+".tenant", tenant)
	for i, r := range roles {
		checkName(d, indexed(path+".roles", i), r)
	}
}

func checkJWT(d *decoder, path string, j *JWT) {
	if looksLikeURL(j.JWKS) || strings.Contains(j.JWKS, "://") {
		if u, _ := baseURL(j.JWKS); u == nil || u.User != nil || u.Scheme != "https" && !isLoopback(u.Hostname()) {
			d.faultAt(path+".jwks", "expected an https URL (http on loopback only) or the path of a file")
		}
	}
	if (j.Tenant == "") == (j.TenantClaim == "") && d.clean(path) {
		d.faultAt(path, "expected one of tenant and tenant_claim; a request without a tenant is refused")
	}
	if j.RolesClaim != "" && j.Roles != nil {
		d.faultAt(path+".roles", "given beside roles_claim; keep one")
	}
	checkName(d, path+".tenant", j.Tenant)
}

func checkModel(c *Config, d *decoder, i int) {
	m, path := &c.Models[i], indexed("models", i)
	checkName(d, path+".name", m.Name)
	if m.Name == "auto" {
		d.faultAt(path+".name", "auto asks the policy to pick; choose another name")
	}
	if m.Name != "" && slices.ContainsFunc(c.Models[:i], func(o Model) bool { return o.Name == m.Name }) {
		d.faultAt(path+".name", "given twice; names must differ")
	}
	weight, names := 0, unique{d: d}
	for j := range m.Endpoints {
		e := indexed(path+".endpoints", j)
		checkEndpoint(c, d, e, &m.Endpoints[j])
		names.add(e+".name", m.Endpoints[j].Name)
		weight += m.Endpoints[j].Weight
	}
	checkBalance(d, path, m)
	checkQueue(d, path, m)
	checkBreaker(d, path+".breaker", &m.Breaker)
	if weight == 0 && len(m.Endpoints) > 0 && d.clean(path) {
		d.faultAt(path+".endpoints", "no endpoint has weight; give at least one")
	}
}

func checkEndpoint(c *Config, d *decoder, path string, e *Endpoint) {
	checkName(d, path+".name", e.Name)
	switch u, ok := baseURL(string(e.URL)); {
	case e.Provider == demo && (e.URL != "" || e.Credential != nil):
		d.faultAt(path, "the demo model dials nothing; remove url and credential")
	case e.Provider == demo || !d.clean(path+".url"):
	case e.URL == "":
		d.faultAt(path+".url", "missing; write the base of the API, such as http://127.0.0.1:8000/v1")
	case looksLikeSecret(string(e.URL)):
		d.faultAt(path+".url", "looks like a secret, not a URL; are url and credential swapped?")
	case !ok:
		d.faultAt(path+".url", "expected a URL such as http://127.0.0.1:8000/v1, without user, query or fragment")
	case u.Scheme == "http" && e.CAFile != "":
		d.faultAt(path+".ca_file", "the url is not https, so no certificate is checked; remove one")
	}
	switch {
	case e.APIs != nil && e.Provider != "openai" && d.clean(path+".provider"):
		d.faultAt(path+".apis", "given for a provider whose APIs are known; remove it")
	case e.APIs != nil && len(e.APIs) == 0:
		d.faultAt(path+".apis", "an empty list; name what the server has, such as chat")
	}
	if e.APIVersion != "" && e.Provider != "azure" && d.clean(path+".provider") {
		d.faultAt(path+".api_version", "given for a provider that has no versions; remove it")
	}
	if e.Family != "" && e.Provider != "bedrock" && d.clean(path+".provider") {
		d.faultAt(path+".family", "given for a provider whose models tell by their names what they are; remove it")
	}
	if e.Betas != nil && e.Provider != "anthropic" && e.Provider != "bedrock" && d.clean(path+".provider") {
		d.faultAt(path+".betas", "given for a provider that has no betas; remove it")
	}
	checkWatch(d, path, e)
	checkBreaker(d, path+".breaker", e.Breaker)
	checkClientCert(d, path, e)
	checkRegistered(c, d, path, e)
	if e.Parameters != nil && e.UnknownParameters == "pass" && d.clean(path+".unknown_parameters") {
		d.faultAt(path+".parameters", "all parameters pass anyway; write unknown_parameters: drop or refuse, or remove this")
	}
	for i, name := range e.Requires {
		if !slices.ContainsFunc(c.Filters, func(f Filter) bool { return f.Name == name }) {
			d.faultAt(indexed(path+".requires", i), "no filter has this name; add it to filters or remove it here")
		}
	}
}

func checkFilter(c *Config, d *decoder, i int) {
	f, path := &c.Filters[i], indexed("filters", i)
	checkName(d, path+".name", f.Name)
	if f.Name == "sluice" {
		d.faultAt(path+".name", "labels.sluice are the gateway's own; choose another name")
	}
	if f.Name != "" && slices.ContainsFunc(c.Filters[:i], func(o Filter) bool { return o.Name == f.Name }) {
		d.faultAt(path+".name", "given twice; names must differ")
	}
	if f.Module == "" && d.clean(path+".module") && (c.Deploy == nil || c.Deploy.Path == "") {
		d.faultAt(path+".module", "missing; it is required")
	}
	checkModule(d, path, f.Module, f.Version)
	if k := f.Canary; k != nil {
		checkModule(d, path+".canary", k.Module, k.Version)
		if k.Module != "" && k.Module == f.Module {
			d.faultAt(path+".canary.module", "the same as module; a canary is another version")
		}
	}
	checkDirections(d, path, f)
	if f.Limits.Memory%(64*KiB) != 0 {
		d.faultAt(path+".limits.memory", "expected whole pages of 64KiB")
	}
	if l := f.Limits; l.Held > 0 && l.Open > l.Held {
		d.faultAt(path+".limits.open", "larger than limits.held, which a span left open counts against; make it at most that")
	}
	if f.HMACKey == nil && (usesHMAC(f.Config.Request) || usesHMAC(f.Config.Response)) {
		d.faultAt(path+".config", "the action hmac needs a key; write hmac_key: {env: NAME}")
	}
}

// checkDirections finds settings for a direction that the filter does not see.
func checkDirections(d *decoder, path string, f *Filter) {
	if f.On == nil || slices.Contains(f.On, "") {
		return // all, or at fault already
	}
	if len(f.On) == 0 {
		d.faultAt(path+".on", "an empty list; write request, response or both")
	}
	if f.Config.Request != nil && !slices.Contains(f.On, "request") {
		d.faultAt(path+".config.request", "the filter is not on requests; add request to on, or remove this")
	}
	if slices.Contains(f.On, "response") {
		return
	}
	if f.Config.Response != nil {
		d.faultAt(path+".config.response", "the filter is not on answers; add response to on, or remove this")
	}
	if f.Stream != "hold" {
		d.faultAt(path+".stream", "the filter is not on answers; add response to on, or remove this")
	}
}

func usesHMAC(a Actions) bool {
	for _, action := range a {
		if action == "hmac" {
			return true
		}
	}
	return false
}

// checkName checks a name's form; empty ones are reported as missing already.
func checkName(d *decoder, path, name string) {
	if name != "" && !nameForm.MatchString(name) {
		d.faultAt(path, "expected a name of at most 128 letters, digits and . _ : / @ + -, beginning with a letter or digit")
	}
}

// baseURL reads an http or https URL, nil for anything else; ok is for one without user, query and fragment.
func baseURL(s string) (u *url.URL, ok bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, false
	}
	return u, u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

// unique finds values that come twice.
type unique struct {
	d    *decoder
	seen map[string]string
}

// add remembers a value and where it stands; a second one is a fault.
func (u *unique) add(path, value string) {
	if value == "" {
		return
	}
	if first, ok := u.seen[value]; ok {
		u.d.faultAt(path, "the same as %s; they must differ", first)
		return
	}
	if u.seen == nil {
		u.seen = map[string]string{}
	}
	u.seen[value] = path
}

// clean tells whether nothing is wrong yet with the field at path, within it or around it: then what seems to be
// missing is.
func (d *decoder) clean(path string) bool {
	return !slices.ContainsFunc(d.faults, func(f *Fault) bool { return partOf(f.Path, path) || partOf(path, f.Path) })
}

// partOf tells whether the field at path is the one at outer or a part of it.
func partOf(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (outer == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

func indexed(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
