// Package provider holds the dialects of model vendors: for each, where its operations are, how it is authenticated to,
// and how its answers, streams and errors are read. A dialect is an upstream.Caller; package upstream plans and repeats
// its calls. One table names them all.
package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
)

// Options describe one endpoint to its dialect.
type Options struct {
	URL        string                 // base URL, such as http://127.0.0.1:8000/v1; demo takes none
	Credential func() (string, error) // read for every call, so it must be quick; nil: none is sent
	RootCAs    []byte                 // PEM certificates an https server's must come from; nil: the system's
	Timeouts   upstream.Timeouts      // zero values mean the defaults
	MaxAnswer  int                    // bytes of an answer; 0 means 32 MiB
	MaxEvent   int                    // bytes of one event of a stream; 0 means 1 MiB
	Registry   *upstream.Registry     // shares connections with other generations; nil: not shared
	WordDelay  time.Duration          // demo's pause before each streamed word
}

// dialects is THE table of dialects.
var dialects = map[string]func(Options) (upstream.Caller, error){
	"openai": newOpenAI,
	"demo":   newDemo,
}

// Kinds lists the names that New takes, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(dialects)) }

// New makes the caller of one endpoint that speaks the dialect of that name.
func New(kind string, o Options) (upstream.Caller, error) {
	build, ok := dialects[kind]
	if !ok {
		return nil, fmt.Errorf("unknown provider %q: want one of %s", kind, strings.Join(Kinds(), ", "))
	}
	return build(o)
}
