package rules

import "github.com/open-policy-agent/opa/v1/ast"

// evaluation evaluates rules with operands; none for documents.
type evaluation func(r *run, operands []*ast.Term) *ast.Term

// value makes the one value that rules have, of which the default stands for none.
func (b *builder) value(rules []*ast.Rule) evaluation {
	var chains []evaluation
	var fallback evaluation
	risks := b.risks
	same := agree(rules)
	for _, r := range rules {
		if r.Default {
			fallback = b.chain(r, true)
			continue
		}
		chains = append(chains, b.chain(r, same))
	}
	if !same {
		b.risks++ // two values
	}
	once := b.risks == risks
	return func(r *run, operands []*ast.Term) *ast.Term {
		var value *ast.Term
		for _, chain := range chains {
			v := chain(r, operands)
			switch {
			case r.failed:
				return nil
			case v == nil:
			case value == nil:
				if value = v; once {
					return value
				}
			case !value.Equal(v):
				r.fail()
				return nil
			}
		}
		if value == nil && fallback != nil {
			return fallback(r, operands)
		}
		return value
	}
}

// agree tells whether all rules, and what else they have, can give but one and the same value.
func agree(rules []*ast.Rule) bool {
	var value *ast.Term
	for _, r := range rules {
		if r.Default {
			continue
		}
		for ; r != nil; r = r.Else {
			v := r.Head.Value
			if v == nil || !ast.IsConstant(v.Value) || value != nil && !value.Equal(v) {
				return false
			}
			value = v
		}
	}
	return true
}

// chain makes a rule with what else it has: the first that holds.
func (b *builder) chain(rule *ast.Rule, same bool) evaluation {
	first := b.one(rule, same)
	if rule.Else == nil {
		return first
	}
	rest := b.chain(rule.Else, same)
	return func(r *run, operands []*ast.Term) *ast.Term {
		if v := first(r, operands); v != nil || r.failed {
			return v
		}
		return rest(r, operands)
	}
}

// one makes a single rule. same: it has but one value, so that the first time its body holds is enough.
func (b *builder) one(rule *ast.Rule, same bool) evaluation {
	s := b.scope(rule)
	risks := b.risks
	args := make([]matcher, len(rule.Head.Args))
	for i, a := range rule.Head.Args {
		args[i] = s.pattern(a)
	}
	body := s.body(rule.Body, func() step {
		value := s.term(rule.Head.Value)
		once := same && b.risks == risks
		return func(r *run, f frame) bool {
			v, got := value(r, f), &f.sums[0].value
			switch {
			case v == nil:
				return r.fail()
			case *got == nil:
				*got = v
			case !(*got).Equal(v):
				return r.fail()
			}
			return !once
		}
	})
	return func(r *run, operands []*ast.Term) *ast.Term {
		if !r.goes() {
			return nil
		}
		f, m := r.frame(s.size())
		for i, match := range args {
			if !match(r, f, operands[i]) {
				r.release(m)
				return nil
			}
		}
		body(r, f)
		v := f.sums[0].value
		r.release(m)
		if r.failed {
			return nil
		}
		return v
	}
}

// function is a rule with operands.
type function struct {
	eval  evaluation
	arity int
	risky bool
	reads bool
}

// function makes a function of the rules at a reference; nil where it can't.
func (b *builder) function(ref ast.Ref, loc *ast.Location) *function {
	name := ref.String()
	fn := b.functions[name]
	if fn == nil {
		node := b.compiler.RuleTree.Find(ref)
		if node == nil || len(node.Values) == 0 || node.External != nil {
			b.refuse(loc, "there is no function %v", ref)
			return nil
		}
		risks, reads := b.risks, b.reads
		b.risks, b.reads = 0, 0
		fn = &function{arity: len(node.Values[0].Head.Args)}
		for _, r := range node.Values {
			if len(r.Head.Args) != fn.arity || fn.arity == 0 || r.Head.RuleKind() != ast.SingleValue || !r.Ref().Equal(ref) {
				b.refuse(r.Location, "%v is no common function", ref)
				return nil
			}
		}
		fn.eval = b.value(node.Values)
		fn.risky, fn.reads = b.risks > 0, b.reads > 0
		b.risks, b.reads = risks, reads
		if b.refusal != nil {
			return nil
		}
		b.functions[name] = fn
	}
	if fn.risky {
		b.risks++
	}
	if fn.reads {
		b.reads++
	}
	return fn
}
