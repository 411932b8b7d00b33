package meter

import (
	"fmt"
	"strings"
)

// ValueType is the binary code of a value type (WebAssembly core 2.0, 5.3).
type ValueType byte

// The value types that can be metered.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

// String returns the type's name in the text format.
func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return fmt.Sprintf("type 0x%02x", byte(t))
}

// Kind is what an import or export is.
type Kind byte

// The kinds, as the binary format numbers them.
const (
	Func Kind = iota
	Table
	Memory
	GlobalKind
)

// String returns the kind's name in the text format.
func (k Kind) String() string {
	switch k {
	case Func:
		return "func"
	case Table:
		return "table"
	case Memory:
		return "memory"
	case GlobalKind:
		return "global"
	}
	return fmt.Sprintf("kind 0x%02x", byte(k))
}

// Signature is a function's type.
type Signature struct{ Params, Results []ValueType }

// String returns the signature as "(i32, i32) -> (i64)".
func (s Signature) String() string {
	return list(s.Params) + " -> " + list(s.Results)
}

func list(ts []ValueType) string {
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = t.String()
	}
	return "(" + strings.Join(names, ", ") + ")"
}

// Error is why a module was refused and where.
type Error struct {
	Where  string // such as "code section, function 12"
	Offset int    // in the module's bytes
	Reason string
}

// Error returns "code section, function 12, offset 0x1f3: reason".
func (e *Error) Error() string {
	return fmt.Sprintf("%s, offset 0x%x: %s", e.Where, e.Offset, e.Reason)
}
