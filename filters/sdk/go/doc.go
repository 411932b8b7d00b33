// Package sluice is the kit for filters in Go: a thin, typed form of the native filter ABI, version 1.
//
// A filter is a package main that registers its hooks and is built by the stock toolchain:
//
//	func init() { sluice.Register(sluice.Filter{Request: true, Text: shout}) }
//	func main() {}
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o filter.wasm .
//
// The host calls one hook at a time and puts the module's memory back to a snapshot between exchanges: what a hook writes
// to variables does not last. Only what Config stores lasts.
//
// Outside wasm the package compiles too, with a small host in memory, so that a filter's own tests run with plain go test:
// see Try.
package sluice

// Role is the class of a text's author.
type Role uint8

// The role classes.
const (
	RoleOther      Role = iota // a string outside any message
	RoleSystem                 // system and developer messages
	RoleUser                   // user messages and plain prompts
	RoleAssistant              // what the model said
	RoleTool                   // results of tools
	RoleDefinition             // definitions of tools and schemas
)

// Level is the level of a log record.
type Level uint32

// The levels.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

// Filter is a filter's hooks. Hooks left nil are not called.
type Filter struct {
	// Request and Answer say for which texts Text is called.
	Request, Answer bool
	// Text is shown one window of a text. What it does must not depend on how a text is cut into windows.
	Text func(t *Text)
	// Config reads the filter's configuration, JSON, once. An error refuses it; its text is what the operator reads. nil
	// refuses all but the empty one, {}.
	Config func(json []byte) error
	// OnRequest reads the whole request, JSON, before the texts. An error fails the exchange.
	OnRequest func(json []byte) error
	// OnResponse reads the whole answer, JSON. An error fails the exchange.
	OnResponse func(json []byte) error
	// Inert tells whether a byte of text can neither be part of a finding nor change what Text does next. Where nothing
	// is held back, the host lets text of inert bytes alone pass without a call. nil: no byte is. Asked once, after Config.
	Inert func(c byte) bool
}

var registered Filter

// Register names the filter's hooks. Call it once, from an init function.
func Register(f Filter) { registered = f }

// hooks are the bits that sluice_abi_v1 returns.
func (f *Filter) hooks() uint32 {
	var bits uint32
	for i, on := range []bool{f.Request && f.Text != nil, f.Answer && f.Text != nil, f.OnRequest != nil, f.OnResponse != nil} {
		if on {
			bits |= 1 << i
		}
	}
	return bits
}

// classes are what byte_classes points to: 0 for each inert byte.
var classes [256]byte

func (f *Filter) classify() {
	for i := range classes {
		classes[i] = 1
		if f.Inert != nil && f.Inert(byte(i)) {
			classes[i] = 0
		}
	}
}

// configure is run for the configuration.
func (f *Filter) configure(json []byte) uint32 {
	if f.Config == nil && string(json) != "{}" {
		Log(Error, "the filter takes no configuration")
		return 1
	}
	return run(f.Config, json)
}

// run calls a hook that takes JSON: 0 is ok, 1 an error, which is logged.
func run(hook func([]byte) error, json []byte) uint32 {
	if hook == nil {
		return 0
	}
	if err := hook(json); err != nil {
		Log(Error, err.Error())
		return 1
	}
	return 0
}
