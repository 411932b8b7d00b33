package control

import (
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Coverage says which filter sees what: for each operation, each kind of string in its requests and answers, and each
// filter of the chain.
type Coverage struct {
	Filters []string      `json:"filters"` // in the order they run
	Rows    []CoverageRow `json:"rows"`
}

// CoverageRow is one kind of string.
type CoverageRow struct {
	Operation wire.Operation `json:"operation"`
	In        string         `json:"in"` // "request", "answer" or "stream"
	Strings   string         `json:"strings"`
	Nature    wire.Nature    `json:"nature"`
	Places    []string       `json:"places"`
	Sees      []filter.Sight `json:"sees"` // beside Coverage.Filters
}

// The bodies that CoverageRow.In names.
const (
	InRequest = "request"
	InAnswer  = "answer"
	InStream  = "stream"
)

// Coverage is the current generation's.
func (c *Controller) Coverage() Coverage {
	gen := c.generation()
	if gen == nil {
		return Coverage{}
	}
	return coverage(c.shapes, gen.snap.Chain)
}

// coverage holds the shapes of all surfaces against a chain.
func coverage(shapes []wire.Shape, chain *filter.Chain) Coverage {
	out := Coverage{Filters: chain.Names()}
	add := func(s wire.Shape, in string) {
		out.Rows = append(out.Rows, CoverageRow{
			Operation: s.Operation, In: in, Strings: s.Name, Nature: s.Nature, Places: s.Places, Sees: chain.Sights(s, in == InStream),
		})
	}
	for _, s := range shapes {
		if !s.Answer {
			add(s, InRequest)
			continue
		}
		add(s, InAnswer)
		if s.Streams {
			add(s, InStream)
		}
	}
	return out
}
