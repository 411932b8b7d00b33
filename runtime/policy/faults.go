package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The stages of the gate that a policy passes before it decides, in their order.
const (
	StageRead      = "read"      // its files can be read
	StageSignature = "signature" // they are signed, where that is required
	StageRoots     = "roots"     // bundles own different parts of data, and keep to them
	StageParse     = "parse"     // modules are Rego, data is JSON or YAML
	StageCompile   = "compile"   // strictly, and with what policies may call
	StageSchema    = "schema"    // what is read of input is there, what is answered is a decision
	StageEntry     = "entry"     // there is a decision
	StageRules     = "rules"     // rules that are referred to exist
	StageTests     = "tests"     // its own tests pass
	StageRecorded  = "recorded"  // recorded inputs are decided on
)

// Stages are all of them in their order.
var Stages = [...]string{
	StageRead, StageSignature, StageRoots, StageParse, StageCompile, StageSchema, StageEntry, StageRules, StageTests, StageRecorded,
}

// Fault is one fault of a policy's text.
type Fault struct {
	Stage     string // of the gate
	File      string
	Line, Col int    // from 1; 0 when the fault has no place in the file
	Message   string // what is wrong and what to do
}

// String gives file:line:column: message, as editors read it.
func (f Fault) String() string {
	switch {
	case f.Line > 0:
		return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Message)
	case f.File != "":
		return f.File + ": " + f.Message
	default:
		return f.Message
	}
}

// Faults is every fault found in a policy, by file and position.
type Faults []Fault

// Error gives one line for each fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// Stage is the first stage that a policy with these faults fails at; StageRead for those of no stage.
func (f Faults) Stage() string {
	first := len(Stages)
	for i := range f {
		if n := slices.Index(Stages[:], f[i].Stage); n >= 0 {
			first = min(first, n)
		}
	}
	if first == len(Stages) {
		return StageRead
	}
	return Stages[first]
}

// StageOf is the stage of an error of the gate, StageRead where it has none.
func StageOf(err error) string {
	var faults Faults
	if errors.As(err, &faults) {
		return faults.Stage()
	}
	return StageRead
}

// of notes the stage of faults that have none yet.
func (f Faults) of(stage string) Faults {
	for i := range f {
		if f[i].Stage == "" {
			f[i].Stage = stage
		}
	}
	return f
}

// sorted orders faults by place and drops repeated ones.
func (f Faults) sorted() Faults {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(f)
}

// faultAt makes a fault at a place of the text.
func faultAt(loc *ast.Location, format string, args ...any) Fault {
	f := Fault{Message: fmt.Sprintf(format, args...)}
	if loc != nil {
		f.File, f.Line, f.Col = loc.File, loc.Row, max(loc.Col, 1) // the end of a file has no column
	}
	return f
}

// faultsOf makes faults of an error of the parser or the compiler.
func faultsOf(file string, err error) Faults {
	var list ast.Errors
	var one *ast.Error
	switch {
	case errors.As(err, &list):
		out := make(Faults, 0, len(list))
		for _, e := range list {
			out = append(out, faultOf(file, e))
		}
		return out
	case errors.As(err, &one):
		return Faults{faultOf(file, one)}
	default:
		return Faults{{File: file, Message: err.Error()}}
	}
}

func faultOf(file string, e *ast.Error) Fault {
	f := faultAt(e.Location, "%s: %s", e.Code, e.Message)
	if f.File == "" {
		f.File = file
	}
	if d, ok := e.Details.(*ast.RefErrInvalidDetail); ok && d.Pos < len(d.Ref) {
		f.Stage = StageSchema
		return f.unknownField(d)
	}
	if e.Details != nil && e.Code != ast.ParseErr {
		f.Message += " (" + strings.Join(trimmed(e.Details.Lines()), "; ") + ")"
	}
	if hint := hintFor(e); hint != "" {
		f.Message += "; " + hint
	}
	return f
}

// unknownField names the part of a reference that does not exist, and what does.
func (f Fault) unknownField(d *ast.RefErrInvalidDetail) Fault {
	if len(d.OneOf) == 0 {
		return f
	}
	names := make([]string, 0, len(d.OneOf))
	for _, v := range d.OneOf {
		if s, ok := v.(ast.String); ok {
			names = append(names, string(s))
		}
	}
	parent := d.Ref[:d.Pos].String()
	name := strings.Trim(d.Ref[d.Pos].String(), `"`)
	if parent == "input.prompt" && (name == "text" || name == "messages") {
		f.Message += "; prompt text is only given to policies that the configuration grants it: set reads_text: true"
		return f
	}
	f.Message += fmt.Sprintf("; %s has no %q%s: it has %s", parent, name, didYouMean(name, names), strings.Join(names, ", "))
	return f
}

func trimmed(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// hintFor says what to do about the faults that have one usual remedy.
func hintFor(e *ast.Error) string {
	if name, ok := strings.CutPrefix(e.Message, "undefined function "); ok {
		if slices.Contains(Grantable, name) {
			return "it is not available to policies unless the configuration grants it: policy.grants"
		}
		if withheld(name) {
			return "it is not available to policies: they reach nothing outside input and data"
		}
		return "define it, import its package, or correct its name"
	}
	for _, r := range remedies {
		if strings.Contains(e.Message, r.message) {
			return r.remedy
		}
	}
	switch e.Code {
	case ast.UnsafeVarErr:
		return "give it a value in the same body, or correct its name"
	case ast.RecursionErr:
		return "a rule must not depend on itself"
	case ast.ParseErr:
		return "correct the text here, or before it"
	}
	return ""
}

// remedies are for messages of the compiler that say what is wrong and not what to do.
var remedies = []struct{ message, remedy string }{
	{"match error", "compare values of one type"},
	{"invalid argument(s)", "give it what it takes"},
	{"arity mismatch", "give it what it takes"},
	{"conflicting rules", "a name is one value or a set of them; rename or remove one of the rules"},
	{"multiple default rules", "keep one of them"},
	{" unused", "use it or remove it"},
	{"import must not shadow", "give one of them another name with as"},
	{"package expected", "begin the file with its package, such as: package sluice"},
}

// didYouMean suggests the nearest name, if one is near.
func didYouMean(name string, names []string) string {
	best, distance := "", max(len(name)/2, 1)+1
	for _, n := range names {
		if d := editDistance(name, n); d < distance {
			best, distance = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// editDistance is Levenshtein's: single-byte insertions, deletions and replacements.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
