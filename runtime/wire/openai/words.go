package openai

import (
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// The words that the tables are written in; package walk says what each means.
const (
	own       = walk.Own
	enum      = walk.Enum
	ident     = walk.Ident
	given     = walk.Given
	arguments = walk.Arguments
	run       = walk.Run
	opaque    = walk.Opaque
	tokens    = walk.Tokens
	bits      = walk.Bits
	refused   = walk.Refused
	state     = walk.State
	message   = walk.Message
	content   = walk.Content
	part      = walk.Part
	tool      = walk.Tool
	define    = walk.Define
	call      = walk.Call
	schema    = walk.Schema
	skip      = walk.Skip
	copied    = walk.Copied
	item      = walk.Item

	asked      = walk.Asked
	beside     = walk.Beside
	predicted  = walk.Predicted
	definition = walk.Definition
	grows      = walk.Grows
	settled    = walk.Settled
)

type (
	class = walk.Class
	rule  = walk.Rule
)

// row is one line of a table.
type row struct {
	path  string
	class class
	words string
	scope walk.Scope
	reach string
}

// compile makes rules of rows.
func compile(groups ...[]row) *rule {
	out := make([][]walk.Row, len(groups))
	for i, rows := range groups {
		for _, r := range rows {
			out[i] = append(out[i], walk.Row{Path: r.path, Class: r.class, Words: r.words, Scope: r.scope, Reach: r.reach})
		}
	}
	return walk.Compile(out...)
}

// invalid is the fault of a field with a wrong type or value.
func invalid(param, message string) *wire.Fault { return walk.Invalid(param, message) }

// misread is the fault of an answer that can't be taken for what it should be.
func misread(message string) *wire.Fault { return walk.Misread(message) }
