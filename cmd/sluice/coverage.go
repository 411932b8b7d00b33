package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/wire"
)

// printCovered prints, for each operation and filter, the bodies whose text the filter gets.
func printCovered(w io.Writer, c control.Coverage) {
	if len(c.Filters) == 0 {
		return
	}
	t := table(w)
	fmt.Fprintf(t, "  coverage\t%s\n", strings.Join(c.Filters, "\t"))
	for rows := range operations(c.Rows) {
		fmt.Fprintf(t, "    %s", rows[0].Operation)
		for i := range c.Filters {
			fmt.Fprintf(t, "\t%s", bodies(rows, i))
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // as in greet
	fmt.Fprintln(w, "  of these every string, but for those that sluice check --coverage lists")
}

// bodies says whose text a filter gets of an operation: "requests, answers, streams (buffered)".
func bodies(rows []control.CoverageRow, filterAt int) string {
	var out []string
	for _, b := range []struct{ in, name string }{{control.InRequest, "requests"}, {control.InAnswer, "answers"}, {control.InStream, "streams"}} {
		i := slices.IndexFunc(rows, func(r control.CoverageRow) bool { return r.In == b.in && r.Nature == wire.Text })
		if i < 0 {
			continue
		}
		switch s := rows[i].Sees[filterAt]; s {
		case filter.Blind:
		case filter.Sees:
			out = append(out, b.name)
		default:
			out = append(out, fmt.Sprintf("%s (%s)", b.name, s))
		}
	}
	if out == nil {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// operations gives the rows of each operation in turn.
func operations(rows []control.CoverageRow) func(yield func([]control.CoverageRow) bool) {
	return func(yield func([]control.CoverageRow) bool) {
		for len(rows) > 0 {
			n := slices.IndexFunc(rows, func(r control.CoverageRow) bool { return r.Operation != rows[0].Operation })
			if n < 0 {
				n = len(rows)
			}
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// sheet prints the whole table.
type sheet struct {
	w     io.Writer
	width []int             // of the column of names, then of each filter's
	told  map[string]string // lists of places, each with the operation it was printed for
}

// nameWidth is that of the column of names, pageWidth where lists of places are wrapped.
const (
	nameWidth = 44
	pageWidth = 78
)

// printCoverage prints which filter sees what, string by string. Where strings are no text it lists their places.
func printCoverage(w io.Writer, c control.Coverage) {
	s := sheet{w: w, width: []int{nameWidth}, told: map[string]string{}}
	for _, name := range c.Filters {
		s.width = append(s.width, len(name)+2)
	}
	for i := range c.Rows {
		for k, cell := range cells(c.Rows, i) {
			s.width[k+1] = max(s.width[k+1], len(cell)+2)
		}
	}
	fmt.Fprint(w, "\nWhich filter sees what:\n")
	for rows := range operations(c.Rows) {
		fmt.Fprintln(w)
		s.line("", string(rows[0].Operation), c.Filters)
		s.operation(rows)
	}
	fmt.Fprint(w, legend)
}

// operation prints the rows of one operation. A stream's stand in the lines of the whole answer's.
func (s sheet) operation(rows []control.CoverageRow) {
	in := ""
	for i, r := range rows {
		if r.In == control.InStream {
			continue
		}
		if in != r.In {
			in = r.In
			fmt.Fprintf(s.w, "  %s\n", headings[in])
		}
		s.line("    ", r.Strings, cells(rows, i))
		if notes[r.Nature] != "" {
			s.places(r)
		}
	}
}

var headings = map[string]string{control.InRequest: "requests", control.InAnswer: "answers (whole/streamed)"}

// notes are the natures whose places are listed, each with what is to be known of it.
var notes = map[wire.Nature]string{
	wire.Opaque: "no text filter can read it",
	wire.Copied: "the text once more, in another form",
	wire.Ident:  "text, where it does not look like an identifier",
	wire.Word:   "text, where it is no word of the list",
	wire.Own:    "not text",
	wire.Banned: "refused; what reaches out, unless the policy allows it",
}

const legend = `
  yes       on_text gets it and may edit it
  reads     on_request or on_response reads it as JSON; it edits no text
  handles   an http-wasm handler gets the body and may write another
  buffered  one of these, once the stream is complete; held back until then
  dropped   taken out where the text that it repeats is edited
  refused   the request is refused (opaque content: unless the model allows it)
  no        it is not shown to the filter
`

// cells is what is seen of whole bodies in row i, and of streams where that differs.
func cells(rows []control.CoverageRow, i int) []string {
	out := make([]string, len(rows[i].Sees))
	for k, seen := range rows[i].Sees {
		out[k] = string(seen)
		if i+1 < len(rows) && rows[i].In == control.InAnswer && rows[i+1].In == control.InStream && rows[i+1].Sees[k] != seen {
			out[k] += "/" + string(rows[i+1].Sees[k])
		}
	}
	return out
}

// line prints a name and the cells beside it.
func (s sheet) line(indent, name string, cells []string) {
	line := fmt.Sprintf("%-*s ", s.width[0]-1, indent+name)
	for i, cell := range cells {
		line += fmt.Sprintf("%-*s", s.width[i+1], cell)
	}
	fmt.Fprintln(s.w, strings.TrimRight(line, " "))
}

// places prints what is to be known of strings that are no text, and where they stand, wrapped; or whose list is the same.
// What a stream's events have in "delta" stands once, as "message".
func (s sheet) places(r control.CoverageRow) {
	const indent = "        "
	line := indent + notes[r.Nature] + ":"
	list := strings.Join(r.Places, " ")
	if like, ok := s.told[list]; ok {
		like = " as for " + like
		if len(line)+len(like) > pageWidth {
			fmt.Fprintln(s.w, line)
			line = indent + " "
		}
		fmt.Fprintln(s.w, line+like)
		return
	}
	s.told[list] = string(r.Operation)
	for _, p := range r.Places {
		if said := strings.Replace(p, ".delta.", ".message.", 1); said != p && slices.Contains(r.Places, said) {
			continue
		}
		if len(line)+1+len(p) > pageWidth {
			fmt.Fprintln(s.w, line)
			line = indent + " "
		}
		for room := pageWidth - len(line) - 1; len(p) > room; { // a place too long for a line of its own goes on in the next
			dot := strings.LastIndexByte(p[:room], '.')
			if dot < 0 {
				break
			}
			fmt.Fprintln(s.w, line+" "+p[:dot+1])
			p = "  " + p[dot+1:]
		}
		line += " " + p
	}
	fmt.Fprintln(s.w, line)
}
