package filter

import (
	"slices"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Sight is what a filter gets to see of one kind of string.
type Sight string

// The sights.
const (
	Sees     Sight = "yes"      // on_text gets it, and may edit it
	Reads    Sight = "reads"    // on_request or on_response reads it in the body's JSON, and edits nothing
	Handles  Sight = "handles"  // an http-wasm handler gets the body, and may write another
	Buffered Sight = "buffered" // one of the above, when the stream is complete: until then it is held back
	Dropped  Sight = "dropped"  // it is taken out with the text that it copies, when that is edited
	Refused  Sight = "refused"  // requests with it are refused
	Blind    Sight = "no"
)

// Sights tells what each filter of the chain, in order, sees of a kind of strings; of answers as they stream, if stream is
// set. It follows the hooks that the filters have. Who passes through a canary's version instead may have another's.
func (c *Chain) Sights(s wire.Shape, stream bool) []Sight {
	out := make([]Sight, len(c.filters))
	buffers := slices.ContainsFunc(c.filters, func(f *Filter) bool { return f.hooks.any(OnAnswer) && f.spec.Whole == WholeBuffer })
	for i, f := range c.filters {
		if !s.Answer {
			out[i] = f.ofRequest(s.Nature)
			continue
		}
		out[i] = f.ofAnswer(s.Nature)
		switch seen := out[i] == Sees || out[i] == Reads || out[i] == Handles; {
		case stream && f.spec.Whole == WholeRefuse && f.hooks.any(OnAnswer):
			out[i] = Refused
		case stream && seen && buffers:
			out[i] = Buffered
		}
	}
	return out
}

// isShown tells whether text filters are shown strings of a nature.
func isShown(n wire.Nature) bool { return n == wire.Text || n == wire.Arguments || n == wire.Key }

func (f *Filter) ofRequest(n wire.Nature) Sight {
	switch {
	case n == wire.Banned, n == wire.Opaque && f.Required() && f.hooks.text(OnRequest):
		return Refused
	case f.hooks.text(OnRequest) && isShown(n):
		return Sees
	case f.hooks&hookHandleRequest != 0:
		return Handles
	case f.hooks&hookRequest != 0:
		return Reads
	}
	return Blind
}

func (f *Filter) ofAnswer(n wire.Nature) Sight {
	switch {
	case f.hooks.text(OnAnswer) && isShown(n):
		return Sees
	case f.hooks.text(OnAnswer) && n == wire.Copied:
		return Dropped
	case f.hooks&hookHandleResponse != 0:
		return Handles
	case f.hooks&hookResponse != 0:
		return Reads
	}
	return Blind
}
