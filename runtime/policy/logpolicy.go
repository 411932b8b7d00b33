package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// systemLog is the package of the rules about the log.
var (
	systemLog = ast.MustParseRef("data.system.log")
	maskRef   = systemLog.Append(ast.StringTerm("mask"))
	dropRef   = systemLog.Append(ast.StringTerm("drop"))
)

// anyInput lets the package system.log read any input, for there it is an event: the decision's schema is not its. All
// other notes about schemas are taken out, or a policy could ask to be checked against none.
func anyInput(modules map[string]*ast.Module) {
	annotated := map[string]*ast.Annotations{}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		m := modules[name]
		for _, a := range m.Annotations {
			a.Schemas = nil
			if a.Scope == "package" {
				annotated[m.Package.Path.String()] = a
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		m := modules[name]
		if !m.Package.Path.HasPrefix(systemLog) {
			continue
		}
		a := annotated[m.Package.Path.String()]
		if a == nil {
			a = (&ast.Annotations{Scope: "package", Location: m.Package.Location}).Copy(m.Package)
			m.Annotations = append(m.Annotations, a)
			annotated[m.Package.Path.String()] = a
		}
		if a.Schemas == nil {
			var anything any = map[string]any{}
			a.Schemas = []*ast.SchemaAnnotation{{Path: ast.InputRootRef, Definition: &anything}}
		}
	}
}

// logPolicy is the rules about the log.
type logPolicy struct {
	mask            *entry[[]mask] // nil: there is none
	drop            *entry[bool]   // as mask
	dropped, failed atomic.Uint64
}

func (l *logPolicy) prepare(b *builder) {
	if len(b.compiler.GetRules(maskRef)) > 0 {
		l.mask = prepare(b, maskRef, exchange.StageDecide, masksOf)
	}
	if len(b.compiler.GetRules(dropRef)) > 0 {
		l.drop = prepare(b, dropRef, exchange.StageDecide, dropOf)
	}
}

func dropOf(v ast.Value) (bool, error) {
	b, ok := v.(ast.Boolean)
	if !ok {
		return false, fmt.Errorf(" is %s, not true or false", ast.ValueName(v))
	}
	return bool(b), nil
}

// MasksEvents tells whether the policy has a say in what the decision log keeps. If so, events must pass MaskEvent.
func (p *Policy) MasksEvents() bool { return p.logs.mask != nil || p.logs.drop != nil }

// MaskEvent gives a line of AppendEvent as the policy lets it be kept; nil where it is not to be: the policy drops it, or
// its rules about the log failed, which must not let through what they would have taken out.
func (p *Policy) MaskEvent(line []byte) []byte {
	out, err := p.logs.edit(line)
	switch {
	case err != nil:
		p.logs.failed.Add(1)
		return nil
	case out == nil:
		p.logs.dropped.Add(1)
	}
	return out
}

// edit asks drop first, then mask, both about the whole event.
func (l *logPolicy) edit(line []byte) ([]byte, error) {
	if hasBeyond(line) {
		return nil, errNumber
	}
	input, err := ast.ValueFromReader(bytes.NewReader(line))
	if err != nil {
		return nil, err
	}
	ctx := context.Background() // the exchange may have ended; the rules have a time of their own
	if l.drop != nil {
		drop, err := l.drop.evaluate(ctx, input)
		if err != nil && !errors.Is(err, errUndefined) || drop {
			return nil, err
		}
	}
	if l.mask == nil {
		return line, nil
	}
	masks, err := l.mask.evaluate(ctx, input)
	switch {
	case errors.Is(err, errUndefined) || err == nil && len(masks) == 0:
		return line, nil
	case err != nil:
		return nil, err
	}
	return masked(line, masks)
}

// masked applies masks to a line.
func masked(line []byte, masks []mask) ([]byte, error) {
	v, err := decodeJSON(line)
	event, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, errors.New("the event is no object")
	}
	for i := range masks {
		masks[i].apply(event)
	}
	if by, ok := event["requested_by"]; ok && by != clientOf(event) {
		delete(event, "requested_by") // it says what was taken out of the input
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(event); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// clientOf is the caller's address in an event's input; nil where there is none.
func clientOf(event map[string]any) any {
	input, _ := event["input"].(map[string]any)
	client, _ := input["client"].(map[string]any)
	return client["ip"]
}

// LogStats counts what the policy kept out of the decision log.
type LogStats struct {
	Dropped uint64 // data.system.log.drop was true
	Failed  uint64 // data.system.log failed
}

// LogStats reads the counters.
func (p *Policy) LogStats() LogStats {
	return LogStats{Dropped: p.logs.dropped.Load(), Failed: p.logs.failed.Load()}
}
