package rules

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// comparisons are the built-ins that never fail and need nothing of OPA but its order of values.
var comparisons = map[string]func(a, b *ast.Term) bool{
	"equal": func(a, b *ast.Term) bool { return a.Equal(b) },
	"neq":   func(a, b *ast.Term) bool { return !a.Equal(b) },
	"gt":    func(a, b *ast.Term) bool { return a.Value.Compare(b.Value) > 0 },
	"gte":   func(a, b *ast.Term) bool { return a.Value.Compare(b.Value) >= 0 },
	"lt":    func(a, b *ast.Term) bool { return a.Value.Compare(b.Value) < 0 },
	"lte":   func(a, b *ast.Term) bool { return a.Value.Compare(b.Value) <= 0 },
}

// builtins are those of OPA that are used as they are: each gives at most one value, which depends on its operands alone.
var builtins = names(`
	plus minus mul div rem abs ceil floor round
	bits.and bits.or bits.xor bits.negate bits.lsh bits.rsh
	and or intersection union
	internal.member_2 internal.member_3 internal.template_string
	count sum product max min sort any all
	array.concat array.flatten array.slice array.reverse
	object.get object.keys object.filter object.remove object.subset object.union object.union_n
	json.filter json.remove json.patch json.marshal json.unmarshal json.is_valid
	to_number units.parse units.parse_bytes
	base64.encode base64.decode base64.is_valid base64url.encode base64url.encode_no_pad base64url.decode
	hex.encode hex.decode urlquery.encode urlquery.decode
	format_int numbers.range
	concat contains startswith endswith indexof indexof_n lower upper replace split sprintf substring
	strings.any_prefix_match strings.any_suffix_match strings.count strings.replace_n strings.reverse strings.split_n
	trim trim_left trim_prefix trim_right trim_suffix trim_space
	regex.match regex.is_valid regex.split regex.replace regex.find_n
	glob.match glob.quote_meta
	is_array is_boolean is_null is_number is_object is_set is_string type_name
	crypto.md5 crypto.sha1 crypto.sha256 crypto.hmac.sha256 crypto.hmac.equal
	semver.compare semver.is_valid
	net.cidr_contains net.cidr_is_valid
`)

// readers are those of them that make numbers of text, which may be spelled in any way.
var readers = names(`json.unmarshal to_number units.parse units.parse_bytes`)

// harmless are those of them that never fail.
var harmless = names(`internal.member_2 is_array is_boolean is_null is_number is_object is_set is_string type_name`)

func names(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}

// call makes a call: of a function of the rules or of a built-in one.
func (s *scope) call(terms []*ast.Term) link {
	ref, ok := terms[0].Value.(ast.Ref)
	if !ok {
		s.refuse(s.loc, "a call of something that is no function")
		return nil
	}
	if ref[0].Equal(ast.DefaultRootDocument) {
		fn := s.function(ref, s.loc)
		if fn == nil {
			return nil
		}
		return s.result(terms[1:], fn.arity, func(r *run, operands []*ast.Term) *ast.Term { return fn.eval(r, operands) })
	}
	name := ref.String()
	if compare := comparisons[name]; compare != nil {
		return s.result(terms[1:], 2, func(_ *run, operands []*ast.Term) *ast.Term {
			return ast.InternedTerm(compare(operands[0], operands[1]))
		})
	}
	declared, impl := ast.BuiltinMap[name], topdown.GetBuiltin(name)
	if !builtins[name] || declared == nil || impl == nil {
		s.refuse(s.loc, "%s is left to OPA", name)
		return nil
	}
	if !harmless[name] {
		s.risks++
	}
	loc, reads := s.loc, readers[name]
	return s.result(terms[1:], declared.Decl.Arity(), func(r *run, operands []*ast.Term) *ast.Term {
		r.outside.Location = loc
		if err := impl(r.outside, operands, r.collect); err != nil {
			r.fail()
		}
		v := r.got
		if r.got = nil; reads && v != nil && !usual(v) {
			r.fail()
		}
		return v
	})
}

// result goes on where a call gives a value: any but false, or, if there is an operand more than the function has, one
// that is bound to it.
func (s *scope) result(operands []*ast.Term, arity int, eval evaluation) link {
	if len(operands) != arity && len(operands) != arity+1 {
		s.refuse(s.loc, "a call with an unknown number of operands")
		return nil
	}
	parts := make([]getter, arity)
	for i := range parts {
		parts[i] = s.term(operands[i])
	}
	out := -1
	if len(operands) > arity {
		out = s.fresh(operands[arity])
	}
	return func(next step) step {
		return func(r *run, f frame) bool {
			m := mark{len(r.terms), len(r.sums), r.chunk}
			given := r.take(len(parts))
			for i, part := range parts {
				given[i] = part(r, f)
			}
			v := eval(r, given)
			r.release(m)
			switch {
			case r.failed:
				return false
			case v == nil:
				return true
			case out >= 0:
				f.vars[out] = v
			case v.Value == no:
				return true
			}
			return next(r, f)
		}
	}
}
