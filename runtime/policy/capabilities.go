package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// withheldBuiltins are absent from what policies may call: they reach out of the evaluation, tell of the host, or
// write text where no rule about prompt text holds. With net. go all functions of that name.
var withheldBuiltins = []string{"http.send", "opa.runtime", "print", "internal.print", "trace", "rego.parse_module"}

func withheld(name string) bool {
	return slices.Contains(withheldBuiltins, name) || strings.HasPrefix(name, "net.")
}

// capabilities is what policies may use of the language. Schemas are never fetched: AllowNet names no host.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return withheld(b.Name) })
	c.AllowNet = []string{}
	return c
}

// deterministic lists the built-ins whose value depends on their operands alone, so that an answer that used them may be
// remembered. It is our own list: what is not on it, the clock, random numbers and certificate checks above all, makes
// an entry point not memoisable. OPA's own flag is incomplete: it does not mark certificate checks, which read the clock.
var deterministic = set(`
	eq equal neq lt lte gt gte assign
	plus minus mul div rem abs ceil floor round
	bits.and bits.or bits.xor bits.negate bits.lsh bits.rsh
	and or intersection union
	internal.member_2 internal.member_3 internal.template_string internal.test_case
	count sum product max min sort any all
	array.concat array.flatten array.slice array.reverse
	object.get object.keys object.filter object.remove object.subset object.union object.union_n
	json.filter json.remove json.patch json.marshal json.marshal_with_options json.unmarshal json.is_valid
	yaml.marshal yaml.unmarshal yaml.is_valid
	base64.encode base64.decode base64.is_valid base64url.encode base64url.encode_no_pad base64url.decode
	hex.encode hex.decode urlquery.encode urlquery.encode_object urlquery.decode urlquery.decode_object
	uri.parse uri.is_valid
	to_number format_int numbers.range numbers.range_step units.parse units.parse_bytes
	concat contains startswith endswith indexof indexof_n lower upper replace split sprintf substring
	strings.any_prefix_match strings.any_suffix_match strings.count strings.replace_n strings.reverse strings.split_n
	strings.render_template
	trim trim_left trim_prefix trim_right trim_suffix trim_space
	regex.match regex.is_valid regex.split regex.replace regex.find_n regex.find_all_string_submatch_n
	regex.template_match regex.globs_match
	glob.match glob.quote_meta
	is_array is_boolean is_null is_number is_object is_set is_string type_name
	walk graph.reachable graph.reachable_paths
	crypto.md5 crypto.sha1 crypto.sha256
	crypto.hmac.md5 crypto.hmac.sha1 crypto.hmac.sha256 crypto.hmac.sha512 crypto.hmac.equal
	semver.compare semver.is_valid uuid.parse
	rego.metadata.chain rego.metadata.rule
	net.cidr_contains net.cidr_contains_matches net.cidr_expand net.cidr_intersects net.cidr_is_valid net.cidr_merge
`)

func set(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}
