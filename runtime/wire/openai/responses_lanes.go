package openai

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Texts of an answer are told apart by their item, what they are in it, and their part. The three make the choice of a lane,
// whose field is the name that the stream's events have for such a text: response.FIELD.delta.

// shelf is what a text is in an item.
type shelf int

const (
	inContent shelf = iota
	inSummary
	inItem // beside both
)

const (
	maxItems = 1 << 16
	maxParts = 1 << 12
)

// choiceOf is the choice of a lane; -1 where there are more items or parts than that.
func choiceOf(item int, s shelf, part int) int {
	if item < 0 || item >= maxItems || part < 0 || part >= maxParts {
		return -1
	}
	return (item*4+int(s))*maxParts + part
}

// placeOf takes a choice apart.
func placeOf(choice int) (item int, s shelf, part int) {
	return choice / maxParts / 4, shelf(choice / maxParts % 4), choice % maxParts
}

// outputLane is the lane of a text by the way to it from the answer, such as output.0.content.1.text, and whether the
// stream repeats it. What stands outside the output is of none, but has a field all the same.
func outputLane(path []byte, owner strictjson.Value) (wire.Lane, bool) {
	return itemLane(path, "output.", owner)
}

// inputLane is outputLane for a list of the items that went into an answer.
func inputLane(path []byte, owner strictjson.Value) (wire.Lane, bool) {
	return itemLane(path, "data.", owner)
}

func itemLane(path []byte, list string, owner strictjson.Value) (wire.Lane, bool) {
	rest, ok := bytes.CutPrefix(path, []byte(list))
	if !ok {
		return wire.Lane{Choice: -1, Field: string(path)}, false
	}
	item, rest := index(rest)
	return laneIn(item, rest, owner)
}

// laneIn is the lane of a text by the way to it from its item.
func laneIn(item int, path []byte, owner strictjson.Value) (wire.Lane, bool) {
	head, tail, _ := bytes.Cut(path, []byte("."))
	lane := wire.Lane{Choice: choiceOf(item, inItem, 0), Field: string(path)}
	switch string(head) {
	case "content", "summary":
		part, leaf := index(tail)
		s := inContent
		if head[0] == 's' {
			s = inSummary
		}
		lane.Choice = choiceOf(item, s, part)
		return named(lane, partField(s, string(leaf), owner))
	case "arguments", "input", "code":
		if len(tail) == 0 {
			return named(lane, itemField(string(head), owner))
		}
	}
	return lane, false
}

// named gives a lane the name that the events have for it; "" is none.
func named(lane wire.Lane, field string) (wire.Lane, bool) {
	if field == "" || lane.Choice < 0 {
		return lane, false
	}
	lane.Field = field
	lane.Arguments = strings.HasSuffix(field, "_arguments")
	return lane, true
}

// inContentPart tells whether the text is of a part of a content.
func inContentPart(p *wire.Piece) bool {
	of, known := streamed[p.Lane.Field]
	return known && of.shelf == inContent
}

func partField(s shelf, leaf string, part strictjson.Value) string {
	switch {
	case leaf == "refusal":
		return "refusal"
	case leaf != "text":
		return ""
	case s == inSummary:
		return "reasoning_summary_text"
	case string(part.Get("type").Bytes()) == "reasoning_text":
		return "reasoning_text"
	}
	return "output_text"
}

func itemField(member string, item strictjson.Value) string {
	kind := string(item.Get("type").Bytes())
	switch {
	case member == "code":
		return "code_interpreter_call_code"
	case member == "input":
		return "custom_tool_call_input"
	case kind == "mcp_call", kind == "mcp_approval_request":
		return "mcp_call_arguments"
	}
	return "function_call_arguments"
}

// index reads the index that a path begins with.
func index(path []byte) (int, []byte) {
	head, rest, _ := bytes.Cut(path, []byte("."))
	i, err := strconv.Atoi(string(head))
	if err != nil {
		return -1, path
	}
	return i, rest
}

// streamed are the names of texts that come in deltas, each with where it is, and with the member of the event that repeats
// it whole.
var streamed = map[string]struct {
	shelf shelf
	whole string
}{
	"output_text":                {inContent, "text"},
	"refusal":                    {inContent, "refusal"},
	"reasoning_text":             {inContent, "text"},
	"reasoning_summary_text":     {inSummary, "text"},
	"function_call_arguments":    {inItem, "arguments"},
	"mcp_call_arguments":         {inItem, "arguments"},
	"custom_tool_call_input":     {inItem, "input"},
	"code_interpreter_call_code": {inItem, "code"},
}

// spot is where the texts of an event are, by its type and its indexes.
type spot struct {
	item   int
	part   int    // of the content, or of the summary
	shelf  shelf  // what the part is in; inItem: there is none
	member string // the event's own text: a piece of it, or all of it; "" is none
	field  string // of that text
	closes bool   // it says all of a part of a content
}

// read fills the spot in. It tells whether the event has a place, and no text that could not be followed.
func (at *spot) read(root strictjson.Value, kind string) bool {
	at.item, at.shelf = number(root.Get("output_index")), inItem
	field, delta := strings.CutSuffix(kind, ".delta")
	if !delta {
		field, _ = strings.CutSuffix(kind, ".done")
	}
	text := streamed[field]
	switch {
	case text.whole != "" && delta:
		at.field, at.member, at.shelf = field, "delta", text.shelf
	case text.whole != "" && field != kind:
		at.field, at.member, at.shelf, at.closes = field, text.whole, text.shelf, text.shelf == inContent
	case strings.HasPrefix(kind, "reasoning_summary_part."):
		at.shelf = inSummary
	case strings.HasPrefix(kind, "content_part.") || root.Get("content_index").Kind() == strictjson.Number:
		at.shelf, at.closes = inContent, kind == "content_part.done"
	}
	switch at.shelf {
	case inContent:
		at.part = number(root.Get("content_index"))
	case inSummary:
		at.part = number(root.Get("summary_index"))
	}
	if choiceOf(at.item, at.shelf, at.part) < 0 {
		return false
	}
	switch text := root.Get("delta").Kind(); at.member {
	case "delta":
		return text == strictjson.String
	case "":
		return text == strictjson.Invalid
	}
	return true
}

// lane is the lane of a text by the way to it from the event.
func (at *spot) lane(path []byte, owner strictjson.Value) (wire.Lane, bool) {
	lane := wire.Lane{Choice: choiceOf(at.item, at.shelf, at.part)}
	if at.member != "" && string(path) == at.member {
		return named(lane, at.field)
	}
	head, rest, _ := bytes.Cut(path, []byte("."))
	switch string(head) {
	case "response":
		return outputLane(rest, owner)
	case "item":
		return laneIn(at.item, rest, owner)
	case "part":
		lane.Field = string(rest)
		return named(lane, partField(at.shelf, string(rest), owner))
	}
	lane.Field = string(path)
	return lane, false
}

// number is an index; 0 where there is none, -1 where it is no index.
func number(v strictjson.Value) int {
	if v.Kind() == strictjson.Invalid || v.Kind() == strictjson.Null {
		return 0
	}
	n, ok := v.Int64()
	if !ok || n < 0 || n > maxItems {
		return -1
	}
	return int(n)
}
