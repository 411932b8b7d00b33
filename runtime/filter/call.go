package filter

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"

	"github.com/sluicegate/sluice/runtime/filter/meter"
	"github.com/sluicegate/sluice/runtime/wire"
)

// stage is the export of the guest that is running; host functions are bound to some of them.
type stage uint8

const (
	inStart stage = iota // instantiation, _initialize, sluice_abi_v1
	inAlloc
	inConfig
	inText
	inRequest
	inResponse
	inHandleRequest // of http-wasm handlers, as the next
	inHandleResponse
	stageCount
)

var stageNames = [stageCount]string{"start", "alloc", "on_config", "on_text", "on_request", "on_response", "handle_request", "handle_response"}

func (s stage) String() string { return stageNames[s] }

// call is what a guest's call works on. There is one in every instance; it is the context that the call is made with,
// so that host functions find it by asserting their context's type.
type call struct {
	ctx   context.Context
	f     *Filter
	run   *run // nil while the filter loads
	stage stage
	err   error // why a host function ended the call
	clock clock

	text   []byte // the window, as the host has it; the guest's copy is never read back
	left   int    // bytes of left context at its front
	role   wire.Role
	dir    Direction
	open   bool // a span was left open by the window before
	ops    []op
	arena  []byte // what replace puts in
	last   int    // where the last op ends
	next   int64  // the continuation
	params []wire.Param
	msgs   []wire.Message
	reject *verdict

	http     *handling // the exchange as an http-wasm handler sees it; nil for native filters and while one starts
	features uint32    // those that an http-wasm handler asked for while it started

	calls  int         // host functions called
	marks  meter.Marks // what the host wrote to the memory since the last restore, beside the arena
	filled uint32      // and how much of the arena
	fault  string      // the last error logged, for on_config

	ticks uint64 // WASI: readings of the clock since the reset
	seed  uint64 // WASI: state of the random numbers
}

var _ context.Context = (*call)(nil)

// The context of a call is its exchange's, but for values: wazero asks for some on every call, and there are none.
func (c *call) Deadline() (time.Time, bool) { return c.ctx.Deadline() }
func (c *call) Done() <-chan struct{}       { return c.ctx.Done() }
func (c *call) Err() error                  { return c.ctx.Err() }
func (c *call) Value(any) any               { return nil }

// op is one edit that a guest asked for, in bytes of the window.
type op struct {
	what       opKind
	start, end int
	kind       *kind
	with       [2]int // replace: where in the arena
}

type opKind uint8

const (
	opRedact opKind = iota
	opReplace
	opOpen
	opClose
)

// verdict is a rejection.
type verdict struct{ code, message string }

// breach is a guest's breach of the ABI. Its text never holds the guest's or the exchange's text.
type breach string

func (b breach) Error() string { return string(b) }

// fail ends the guest's call. wazero turns the panic into the call's error.
func (c *call) fail(err error) {
	c.err = err
	panic(err)
}

// ticksPerCheck is how many host calls pass between two looks at the clock. Between refills a guest could call the host
// so often that its budget is overrun there.
const ticksPerCheck = 64

// tick counts one host call.
func (c *call) tick() {
	c.clock.owed += hostCall
	if c.calls++; c.calls%ticksPerCheck == 0 {
		c.check()
	}
}

// check ends the call when its budget or its exchange is over.
func (c *call) check() {
	if err := c.clock.check(c.ctx); err != nil {
		c.fail(err)
	}
}

// writable gives n bytes of guest memory to be written to, and marks them. The host writes nowhere else, but to the arena:
// what is not marked is not put back to the snapshot.
func (c *call) writable(mem api.Memory, ptr, n uint32) ([]byte, bool) {
	b, ok := mem.Read(ptr, n)
	if ok {
		c.marks |= c.f.mod.info.Mark(ptr, n)
	}
	return b, ok
}

// begin readies the call for a hook on a text.
func (c *call) begin(text []byte, left int) {
	c.text, c.left, c.last = text, left, left
	c.ops, c.arena = c.ops[:0], c.arena[:0]
	c.reject, c.err = nil, nil
	c.params, c.msgs = nil, nil
}

// forget drops what the call still refers to of its exchange. The arena is wiped: it is reused.
func (c *call) forget() {
	c.ctx, c.run, c.text, c.reject, c.err = nil, nil, nil, nil, nil
	c.params, c.msgs, c.http = nil, nil, nil
	if cap(c.arena) > windowSize {
		c.arena = nil
	}
	clear(c.arena[:cap(c.arena)])
	c.arena = c.arena[:0]
}

// span checks one edit: it must start where the last one ended or later, lie in what is not yet settled, and cut no
// character in two.
func (c *call) span(start, end uint32) (int, int) {
	s, e := int(start), int(end)
	switch {
	case e < s:
		c.fail(breach("a span ends before it starts"))
	case e > len(c.text):
		c.fail(breach("a span ends outside the window"))
	case s < c.left:
		c.fail(breach("a span lies in the left context"))
	case s < c.last:
		c.fail(breach("spans overlap or are not in ascending order"))
	case !boundary(c.text, s) || !boundary(c.text, e):
		c.fail(breach("a span cuts a UTF-8 sequence"))
	}
	return s, e
}

func (c *call) add(o op) {
	c.ops = append(c.ops, o)
	c.last = o.end
}

// settled checks what on_text returned.
func (c *call) settled(n int64, end bool) (int, error) {
	switch {
	case n < int64(c.left) || n > int64(len(c.text)):
		return 0, breach("on_text returned a settled count outside the window")
	case int64(c.last) > n:
		return 0, breach("a span ends beyond what is settled")
	case end && n != int64(len(c.text)):
		return 0, breach("on_text did not settle all of the text's end")
	case !boundary(c.text, int(n)):
		return 0, breach("on_text settled half of a UTF-8 sequence")
	}
	return int(n), nil
}

// boundary tells whether no character of text crosses offset i.
func boundary(text []byte, i int) bool { return i >= len(text) || utf8.RuneStart(text[i]) }

// errTrap is a guest's own failure.
var errTrap = errors.New("it trapped")
