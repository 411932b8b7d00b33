package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The fields of the two results, as messages list them.
var (
	decisionFields  = []string{"allow", "allowed", "annotations", "cache", "debug", "endpoints", "headers", "http_status", "message", "models", "reasons", "restore"}
	admissionFields = []string{"allowed", "filters", "http_status", "message", "reasons"}
)

// fieldTerms are the names of all fields as the evaluator has them, made once.
var fieldTerms = termsOf(decisionFields, admissionFields, []string{"labels", "tools", "mode", "scope", "ttl_seconds"})

func termsOf(lists ...[]string) map[string]*ast.Term {
	out := map[string]*ast.Term{}
	for _, name := range slices.Concat(lists...) {
		out[name] = ast.StringTerm(name)
	}
	return out
}

// Bounds of a result, so that no policy can blow up an answer or an audit record.
const (
	maxReasons = 32
	maxList    = 256      // models, filters, tools
	maxEntries = 64       // headers, annotations, labels
	maxText    = 4096     // bytes of any string
	maxTTL     = 31536000 // seconds: a year
)

const reasonPattern = `^[a-z][a-z0-9_.:-]{0,63}$`

var reasonCode = regexp.MustCompile(reasonPattern)

// names are what a result may name.
type names struct {
	models, filters []string
	any             bool // and whatever else
}

func namesOf(o Options) names {
	return names{slices.Clone(o.Models), slices.Clone(o.Filters), o.Recorded}
}

// of are the known names of a kind, "model" or "filter".
func (n names) of(kind string) []string {
	if kind == "model" {
		return n.models
	}
	return n.filters
}

// decision reads the value of the rule decision. Errors begin with the place in the result and hold none of its values,
// which may stem from a request.
func (n names) decision(v ast.Value) (exchange.Decision, error) {
	var d exchange.Decision
	var verdict verdict
	f, err := fieldsOf(v, decisionFields)
	if err != nil {
		return d, err
	}
	f.verdict(&verdict)
	d.Allowed, d.Reasons, d.Message, d.HTTPStatus = verdict.allowed, verdict.reasons, verdict.message, verdict.status
	d.Models = f.names("models", "model", n)
	if d.Models != nil && len(d.Models) == 0 && d.Allowed {
		f.fail("models", "is empty though the request is allowed; leave it out for the model asked for")
	}
	d.Endpoints = f.member("endpoints", "labels").texts("labels", nil)
	d.Cache = f.cache()
	d.Allow = f.reach("allow", n.any)
	d.Restore = f.member("restore", "tools").names("tools", "", names{})
	d.Headers = f.texts("headers", checkHeader)
	d.Annotations = f.texts("annotations", nil)
	d.Debug = f.boolean("debug", false)
	return d, *f.err
}

// admission reads the value of the rule admit.
func (n names) admission(v ast.Value) (exchange.Admission, error) {
	var a exchange.Admission
	var verdict verdict
	f, err := fieldsOf(v, admissionFields)
	if err != nil {
		return a, err
	}
	f.verdict(&verdict)
	a.Allowed, a.Reasons, a.Message, a.HTTPStatus = verdict.allowed, verdict.reasons, verdict.message, verdict.status
	a.Filters = f.names("filters", "filter", n)
	return a, *f.err
}

// verdict is what both results share.
type verdict struct {
	allowed bool
	reasons []string
	message string
	status  int
}

// fields reads the members of one object. The first fault is kept; after it the reads give zero values.
type fields struct {
	in     string     // the member of the result that this is; "" for the result itself
	object ast.Object // nil when the object is absent
	err    *error
}

func fieldsOf(v ast.Value, known []string) (*fields, error) {
	o, ok := v.(ast.Object)
	if !ok {
		return nil, fmt.Errorf(": is %s, not an object", ast.ValueName(v))
	}
	var err error
	f := &fields{object: o, err: &err}
	f.only(known)
	return f, err
}

// only faults members that are not known.
func (f *fields) only(known []string) {
	f.object.Foreach(func(k, _ *ast.Term) {
		if s, ok := k.Value.(ast.String); !ok || !slices.Contains(known, string(s)) {
			f.fail("", "has a field that does not exist; the fields are "+strings.Join(known, ", "))
		}
	})
}

func (f *fields) fail(name, why string) {
	if *f.err == nil {
		path := ""
		for _, part := range []string{f.in, name} {
			if part != "" {
				path += "." + part
			}
		}
		*f.err = fmt.Errorf("%s: %s", path, why)
	}
}

// get gives a member's value; nil when it is absent or something failed before.
func (f *fields) get(name string) ast.Value {
	if f.object == nil || *f.err != nil {
		return nil
	}
	if t := f.object.Get(fieldTerms[name]); t != nil {
		return t.Value
	}
	return nil
}

func (f *fields) verdict(v *verdict) {
	v.allowed = f.boolean("allowed", true)
	v.reasons = f.codes("reasons")
	v.message = f.text("message")
	v.status = f.status("http_status")
}

func (f *fields) boolean(name string, required bool) bool {
	v := f.get(name)
	if v == nil {
		if required {
			f.fail(name, "is missing; it must be true or false")
		}
		return false
	}
	b, ok := v.(ast.Boolean)
	if !ok {
		f.fail(name, "is "+ast.ValueName(v)+", not true or false")
	}
	return bool(b)
}

func (f *fields) text(name string) string {
	v := f.get(name)
	if v == nil {
		return ""
	}
	s, ok := v.(ast.String)
	switch {
	case !ok:
		f.fail(name, "is "+ast.ValueName(v)+", not a string")
	case len(s) > maxText:
		f.fail(name, fmt.Sprintf("is longer than %d bytes", maxText))
	}
	return string(s)
}

func (f *fields) integer(name string, low, high int) int {
	v := f.get(name)
	if v == nil {
		return 0
	}
	number, ok := v.(ast.Number)
	n, whole := 0, false
	if ok {
		n, whole = number.Int()
	}
	if !whole || n < low || n > high {
		f.fail(name, fmt.Sprintf("is not an integer from %d to %d", low, high))
		return 0
	}
	return n
}

// status reads the status of a denial. The ones left out would make clients drop their credential or try again.
func (f *fields) status(name string) int {
	n := f.integer(name, 400, 499)
	switch n {
	case 401, 408, 409, 429:
		f.fail(name, "must be 400 to 499 but not 401, 408, 409 or 429, which tell clients to authenticate or retry")
	}
	return n
}

// codes reads a set (or array) of reason codes, sorted.
func (f *fields) codes(name string) []string {
	list := f.list(name, maxReasons)
	for _, s := range list {
		if !reasonCode.MatchString(s) {
			f.fail(name, "must hold codes such as model_not_allowed: a lower-case letter, then at most 63 of a-z 0-9 _ . : -")
			return nil
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// names reads names in order, each once. With a kind, each must be among the known ones.
func (f *fields) names(name, kind string, n names) []string {
	if _, ok := f.get(name).(ast.Set); ok && kind == "model" {
		f.fail(name, "is a set, which has no order; give an array")
		return nil
	}
	list, known := f.list(name, maxList), n.of(kind)
	for i, s := range list {
		if kind != "" && !n.any && !slices.Contains(known, s) {
			f.fail(fmt.Sprintf("%s[%d]", name, i), fmt.Sprintf("names no configured %s; there are: %s", kind, cmp.Or(strings.Join(known, ", "), "none")))
			return nil
		}
		if slices.Contains(list[:i], s) {
			f.fail(fmt.Sprintf("%s[%d]", name, i), "names the same again")
			return nil
		}
	}
	return list
}

// reach reads what may be reached on the model server, sorted: kinds, or a kind and an id.
func (f *fields) reach(name string, unknown bool) []string {
	list := f.list(name, maxList)
	for i, s := range list {
		kind, id, named := strings.Cut(s, ":")
		if wire.KindAbout(kind) == "" && !unknown || named && id == "" {
			f.fail(fmt.Sprintf("%s[%d]", name, i), "must be a kind, or a kind, a colon and an id; the kinds are "+strings.Join(wire.Kinds(), ", "))
			return nil
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// list reads an array or set of strings; nil when it is absent.
func (f *fields) list(name string, limit int) []string {
	v := f.get(name)
	if v == nil {
		return nil
	}
	var terms []*ast.Term
	switch v := v.(type) {
	case *ast.Array:
		terms = make([]*ast.Term, 0, v.Len())
		v.Foreach(func(t *ast.Term) { terms = append(terms, t) })
	case ast.Set:
		terms = v.Slice()
	default:
		f.fail(name, "is "+ast.ValueName(v)+", not an array or set of strings")
		return nil
	}
	if len(terms) > limit {
		f.fail(name, fmt.Sprintf("has more than %d elements", limit))
		return nil
	}
	out := make([]string, len(terms))
	for i, t := range terms {
		s, ok := t.Value.(ast.String)
		if !ok || len(s) > maxText {
			f.fail(fmt.Sprintf("%s[%d]", name, i), fmt.Sprintf("is not a string of at most %d bytes", maxText))
			return nil
		}
		out[i] = string(s)
	}
	return out
}

// member reads a member that is itself an object of known fields.
func (f *fields) member(name string, known ...string) *fields {
	in := &fields{in: name, err: f.err}
	switch v := f.get(name).(type) {
	case nil:
	case ast.Object:
		in.object = v
		in.only(known)
	default:
		f.fail(name, "is "+ast.ValueName(v)+", not an object")
	}
	return in
}

// texts reads an object of strings, each checked.
func (f *fields) texts(name string, check func(key, value string) string) map[string]string {
	v := f.get(name)
	if v == nil {
		return nil
	}
	o, ok := v.(ast.Object)
	if !ok {
		f.fail(name, "is "+ast.ValueName(v)+", not an object of strings")
		return nil
	}
	if o.Len() > maxEntries {
		f.fail(name, fmt.Sprintf("has more than %d entries", maxEntries))
		return nil
	}
	out := make(map[string]string, o.Len())
	o.Foreach(func(k, v *ast.Term) {
		key, ok1 := k.Value.(ast.String)
		value, ok2 := v.Value.(ast.String)
		if !ok1 || !ok2 || len(key) > maxText || len(value) > maxText {
			f.fail(name, fmt.Sprintf("must hold strings of at most %d bytes only", maxText))
			return
		}
		if check != nil {
			if why := check(string(key), string(value)); why != "" {
				f.fail(name, why)
			}
		}
		out[string(key)] = string(value)
	})
	return out
}

func (f *fields) cache() exchange.CachePolicy {
	c := f.member("cache", "mode", "scope", "ttl_seconds")
	if c.object == nil {
		return exchange.CachePolicy{}
	}
	p := exchange.CachePolicy{TTL: time.Duration(c.integer("ttl_seconds", 0, maxTTL)) * time.Second}
	switch c.text("mode") {
	case "off":
	case "read":
		p.Mode = exchange.CacheRead
	case "read-write":
		p.Mode = exchange.CacheReadWrite
	default:
		c.fail("mode", "must be read-write, read or off")
	}
	switch c.text("scope") {
	case "", "principal":
	case "tenant":
		p.Scope = exchange.ScopeTenant
	default:
		c.fail("scope", "must be principal or tenant")
	}
	return p
}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") // RFC 9110, section 5.6.2: token

// checkHeader refuses headers that frame the answer, carry credentials or are the gateway's own.
func checkHeader(name, value string) string {
	if !headerName.MatchString(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "must hold header names and values as RFC 9110 has them"
	}
	switch name := strings.ToLower(name); {
	case strings.HasPrefix(name, "x-sluice-"), strings.HasPrefix(name, "content-"),
		slices.Contains([]string{"connection", "date", "keep-alive", "proxy-authenticate", "server", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "www-authenticate", "x-request-id"}, name):
		return "may not set content-*, x-sluice-*, cookies, or headers of the connection"
	}
	return ""
}
