package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a config file. Lines and columns count from 1; columns count characters. Line 0 is the file as
// a whole.
type Position struct {
	File      string
	Line, Col int
}

// String is file:line:col.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Fault is one thing wrong with a config: where, which field, and what to do. It never holds a field's value, which
// may be a secret put in the wrong place.
type Fault struct {
	Position
	Path    string // the field, such as models[0].endpoints[1].url; "" for the file as a whole
	Message string // what was expected; what to do
	Cause   error  // where the fault is another error's, for errors.As; else nil
}

// Unwrap is the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// Error is file:line:col: path: message.
func (f *Fault) Error() string {
	if f.Path == "" {
		return f.Position.String() + ": " + f.Message
	}
	return f.Position.String() + ": " + f.Path + ": " + f.Message
}

// Faults are all the things wrong with a config, sorted by position.
type Faults []*Fault

// Error gives one line for each fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives each fault as an error.
func (f Faults) Unwrap() []error {
	out := make([]error, len(f))
	for i, one := range f {
		out[i] = one
	}
	return out
}

// Err is the faults sorted, as an error; nil if there are none.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	slices.SortStableFunc(f, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Path, b.Path))
	})
	return f
}
