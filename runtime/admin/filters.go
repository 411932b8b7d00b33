package admin

import (
	"net/http"

	"github.com/sluicegate/sluice/runtime/control"
)

// filterPage is one filter as /filters shows it.
type filterPage struct {
	control.FilterStatus
	Calls      int64     `json:"calls"`
	Seconds    float64   `json:"seconds"` // of guest time, all calls together
	Units      int64     `json:"units"`   // of fuel
	Failures   int64     `json:"failures"`
	Traps      int64     `json:"traps"`
	FailedOpen int64     `json:"failed_open"`
	Rejections int64     `json:"rejections"`
	Skipped    int64     `json:"skipped_bytes"`
	Held       int64     `json:"held_bytes"`
	HeldMost   int64     `json:"held_bytes_max"`
	Instances  instances `json:"instances"`
	Spans      []span    `json:"spans"`
	CallTime   histogram `json:"call_seconds"`
	CallUnits  histogram `json:"call_units"`
}

// instances are a filter's instances: those there are, and what became of the others.
type instances struct {
	Alive      int64 `json:"alive"`
	Idle       int64 `json:"idle"`
	Waiting    int64 `json:"waiting"` // calls that wait for one
	Memory     int64 `json:"memory_bytes"`
	Created    int64 `json:"created"`
	ColdStarts int64 `json:"cold_starts"`
	Reclaimed  int64 `json:"reclaimed"`
	Discarded  int64 `json:"discarded"`
	Waits      int64 `json:"waits"`
}

// span counts the findings of one kind.
type span struct {
	Kind    string `json:"kind"`
	Request int64  `json:"request"`
	Answer  int64  `json:"answer"`
}

// histogram has a count for each bound, and one for what is over the last.
type histogram struct {
	Bounds []float64 `json:"bounds"`
	Counts []uint64  `json:"counts"`
}

func (s *Server) filters(w http.ResponseWriter, _ *http.Request) {
	out := []filterPage{}
	for _, f := range s.opts.Controller.Filters() {
		page := filterPage{
			FilterStatus: f.FilterStatus, Calls: f.Calls, Seconds: f.Time.Seconds(), Units: f.Units,
			Failures: f.Failures, Traps: f.Traps, FailedOpen: f.FailedOpen, Rejections: f.Rejections,
			Skipped: f.Skipped, Held: f.Held, HeldMost: f.HeldMost,
			Instances: instances{f.Instances, f.Idle, f.Waiting, f.Memory, f.Created, f.ColdStarts, f.Reclaimed, f.Discarded, f.Waits},
			Spans:     []span{},
			CallTime:  histogram{f.CallTime.Bounds, f.CallTime.Counts},
			CallUnits: histogram{f.CallUnits.Bounds, f.CallUnits.Counts},
		}
		for _, k := range f.Spans {
			page.Spans = append(page.Spans, span(k))
		}
		out = append(out, page)
	}
	writeJSON(w, http.StatusOK, out)
}
