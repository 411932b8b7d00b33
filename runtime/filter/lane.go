package filter

import (
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// lane is one text that a stream builds up.
type lane struct {
	name wire.Lane // where its text stands now
	run  string    // the field, or the content that its texts are parts of
	part int       // the last part of a content that it was told the number of; 0: none
	tool string    // the tool it is for, where it is arguments
	seen bool      // it has had text
	in   []byte    // all its text so far, and what was made of it, where it comes again
	out  []byte
	way  passage // nil: text passes as it is
	like []byte  // its first event, as a model for one that carries text when none is at hand

	format wire.Format // the event's
	held   int
	done   bool // its choice has ended, or another lane goes on with its text
	sum    sum

	repeats bool // it comes again, whole
	said    bool // it came whole at once, and in no pieces
	after   bool // it goes on with the text of a part that was said
	open    bool // the next part goes on with its text
	over    bool // no part goes on with it: all of it has left
}

// textOf names what a piece is a part of: its content, or else its field.
func textOf(pc *wire.Piece) string {
	if pc.Run > 0 {
		return pc.Lane.Field[:pc.Run]
	}
	return pc.Lane.Field
}

// same tells whether two pieces are of one text.
func same(a, b *wire.Piece) bool {
	return !a.Whole && !b.Whole && a.Lane.Choice == b.Lane.Choice && a.Lane.Arguments == b.Lane.Arguments && textOf(a) == textOf(b)
}

// takes tells whether a piece goes on with the lane's text.
func (l *lane) takes(pc *wire.Piece) bool {
	return l.name.Choice == pc.Lane.Choice && l.name.Arguments == pc.Lane.Arguments && l.run == textOf(pc)
}

// goOn takes the lane to the piece's place: what is held back of one part leaves in the next. Text for a part that others
// have followed can't be taken, since it would be read where it was not when its neighbours left.
func (l *lane) goOn(pc *wire.Piece) error {
	if pc.Part > 0 {
		if pc.Part < l.part {
			return exchange.Fail(exchange.StageAnswer, wire.UpstreamError, "the model server went back to an earlier part of a content", nil)
		}
		l.part = pc.Part
	}
	l.name.Field = pc.Lane.Field
	return nil
}
