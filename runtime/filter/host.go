package filter

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Results of host functions that are not a length. Whatever else is wrong ends the guest's call: a guest that ignored a
// code would believe text redacted that is not.
const (
	okResult  = 0
	absent    = -1 // get: the fact has no value
	overLimit = -4 // log: the line is dropped
)

// Bounds of what host functions take.
const (
	maxLogLine = 512
	maxWord    = 64
	maxKind    = 32
	maxMessage = 256 // a rejection's message
)

// hostFunction is one function of the module "sluice". in is the set of stages that may call it.
type hostFunction struct {
	name, sig string
	in        uint8
	call      func(c *call, mem api.Memory, p []uint64) int32
}

const (
	textOnly = 1 << inText
	requests = 1 << inRequest
	anyHook  = 1<<inText | 1<<inRequest | 1<<inResponse
)

// hostTable is every function that a guest may import.
var hostTable = [...]hostFunction{
	{"redact", "iiii:i", textOnly, hostRedact},
	{"redact_open", "iii:i", textOnly, hostRedactOpen},
	{"redact_close", "i:i", textOnly, hostRedactClose},
	{"replace", "iiii:i", textOnly, hostReplace},
	{"next_state", "I:i", textOnly, hostNextState},
	{"set", "iiii:i", requests, hostSet},
	{"message", "iiii:i", requests, hostMessage},
	{"label", "iiii:i", anyHook, hostLabel},
	{"reject", "iiii:i", anyHook, hostReject},
	{"get", "iiii:i", anyHook, hostGet},
	{"log", "iii:i", anyHook | 1<<inStart | 1<<inConfig, hostLog},
}

// provide instantiates what guests import: the host's functions, the refill of fuel, and WASI's fakes.
func (m *module) provide(ctx context.Context) error {
	b := m.rt.NewHostModuleBuilder(hostModule)
	for i := range hostTable {
		h := &hostTable[i]
		params, results := valueTypes(h.sig)
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(h.enter), params, results).Export(h.name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return err
	}
	i64 := []api.ValueType{api.ValueTypeI64}
	b = m.rt.NewHostModuleBuilder(m.info.RefillModule)
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(refill), i64, i64).Export(m.info.RefillName)
	if _, err := b.Instantiate(ctx); err != nil {
		return err
	}
	if m.handler {
		if err := m.provideHandler(ctx); err != nil {
			return err
		}
	}
	return m.provideWASI(ctx)
}

// valueTypes reads a signature in the notation of sig.
func valueTypes(short string) (params, results []api.ValueType) {
	to := &params
	for _, c := range short {
		switch c {
		case 'i':
			*to = append(*to, api.ValueTypeI32)
		case 'I':
			*to = append(*to, api.ValueTypeI64)
		case ':':
			to = &results
		}
	}
	return params, results
}

// refill is the function that a guest out of fuel calls. The debt needs no settling here: what is bounded is time.
func refill(ctx context.Context, stack []uint64) {
	c := ctx.(*call)
	grant, err := c.clock.refill(c.ctx, int64(stack[0]))
	if err != nil {
		c.fail(err)
	}
	stack[0] = uint64(grant)
}

// enter is what wazero calls: it finds the call and checks that its stage may use the function.
func (h *hostFunction) enter(ctx context.Context, mod api.Module, stack []uint64) {
	c := ctx.(*call)
	c.tick()
	if h.in&(1<<c.stage) == 0 {
		c.fail(breach(h.name + " is called in " + c.stage.String()))
	}
	stack[0] = uint64(uint32(h.call(c, mod.Memory(), stack)))
}

// bytes reads guest memory. The result is a view: valid until the guest goes on.
func (c *call) bytes(mem api.Memory, ptr, n uint64) []byte {
	b, ok := mem.Read(uint32(ptr), uint32(n))
	if !ok {
		c.fail(errPointer)
	}
	return b
}

const errPointer = breach("a pointer lies outside the memory")

func (c *call) kind(mem api.Memory, ptr, n uint64) *kind {
	k := c.f.kinds.find(c.bytes(mem, ptr, n))
	if k == nil {
		c.fail(breach("a kind is not 1 to 32 of a-z, 0-9 and _, a letter first, or there are too many"))
	}
	return k
}

func hostRedact(c *call, mem api.Memory, p []uint64) int32 {
	if c.open {
		c.fail(breach("redact while a span is open"))
	}
	start, end := c.span(uint32(p[0]), uint32(p[1]))
	if start == end {
		c.fail(breach("redact of an empty span"))
	}
	c.add(op{what: opRedact, start: start, end: end, kind: c.kind(mem, p[2], p[3])})
	return okResult
}

func hostRedactOpen(c *call, mem api.Memory, p []uint64) int32 {
	if c.open {
		c.fail(breach("redact_open while a span is open"))
	}
	start, _ := c.span(uint32(p[0]), uint32(p[0]))
	c.add(op{what: opOpen, start: start, end: start, kind: c.kind(mem, p[1], p[2])})
	c.open = true
	return okResult
}

func hostRedactClose(c *call, _ api.Memory, p []uint64) int32 {
	if !c.open {
		c.fail(breach("redact_close while no span is open"))
	}
	start, end := c.span(uint32(p[0]), uint32(p[0]))
	c.add(op{what: opClose, start: start, end: end})
	c.open = false
	return okResult
}

func hostReplace(c *call, mem api.Memory, p []uint64) int32 {
	if c.open {
		c.fail(breach("replace while a span is open"))
	}
	start, end := c.span(uint32(p[0]), uint32(p[1]))
	with := c.bytes(mem, p[2], p[3])
	c.charge(len(with))
	if !utf8.Valid(with) {
		c.fail(breach("replace with what is not UTF-8"))
	}
	from := len(c.arena)
	c.arena = append(c.arena, with...)
	c.add(op{what: opReplace, start: start, end: end, with: [2]int{from, len(c.arena)}})
	return okResult
}

func hostNextState(c *call, _ api.Memory, p []uint64) int32 {
	c.next = int64(p[0])
	return okResult
}

func hostSet(c *call, mem api.Memory, p []uint64) int32 {
	name, value := c.bytes(mem, p[0], p[1]), c.bytes(mem, p[2], p[3])
	c.charge(len(name) + len(value))
	if len(name) == 0 || len(name) > maxWord || !utf8.Valid(name) || !utf8.Valid(value) {
		c.fail(breach("set: a name is 1 to 64 bytes of UTF-8, and its value is UTF-8"))
	}
	c.params = append(c.params, wire.Param{Name: string(name), Value: bytes.Clone(value)})
	return okResult
}

func hostMessage(c *call, mem api.Memory, p []uint64) int32 {
	text, role := c.bytes(mem, p[2], p[3]), wire.Role(p[1])
	c.charge(len(text))
	switch {
	case uint32(p[0]) > 1:
		c.fail(breach("message: where is 0 (first) or 1 (last)"))
	case uint32(p[1]) < uint32(wire.RoleSystem) || uint32(p[1]) > uint32(wire.RoleAssistant):
		c.fail(breach("message: the role is 1 (system), 2 (user) or 3 (assistant)"))
	case !utf8.Valid(text):
		c.fail(breach("message: the text is not UTF-8"))
	}
	c.msgs = append(c.msgs, wire.Message{Last: uint32(p[0]) == 1, Role: role, Text: string(text)})
	return okResult
}

func hostLabel(c *call, mem api.Memory, p []uint64) int32 {
	key, value := c.bytes(mem, p[0], p[1]), c.bytes(mem, p[2], p[3])
	if !labelWord(key) || !labelWord(value) {
		c.fail(breach("label: key and value are 1 to 64 of A-Z, a-z, 0-9, _, . and -"))
	}
	if c.run == nil {
		return okResult
	}
	was, again := c.run.p.x.Labels[c.f.spec.Name][string(key)]
	if !again {
		if c.run.labels++; c.run.labels > c.f.spec.Limits.Labels {
			c.fail(breach("it sets more labels than its limit"))
		}
	}
	if value := mergeLabel(was, labelValue(string(value))); value != was {
		c.run.p.x.Labels.Set(c.f.spec.Name, string(key), value)
	}
	return okResult
}

// labelWord tells whether b may be a label's key or value: 1 to 64 of A-Z, a-z, 0-9, _, . and -.
func labelWord(b []byte) bool {
	if len(b) == 0 || len(b) > maxWord {
		return false
	}
	for _, c := range b {
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' {
			continue
		}
		return false
	}
	return true
}

// mergeLabel says what a label is that is set again. A filter sees one text at a time and remembers none, so what it says
// about one must not undo what it said about another: of integers the greatest stays, true stays; a word is replaced.
func mergeLabel(was, is any) any {
	switch v := is.(type) {
	case int64:
		if w, ok := was.(int64); ok && w > v {
			return was
		}
	case bool:
		if w, ok := was.(bool); ok && w {
			return was
		}
	}
	return is
}

// labelValue reads a label's value: a bool, an integer, or a word.
func labelValue(s string) any {
	switch s {
	case "true":
		return true
	case "false":
		return false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		return n
	}
	return s
}

var rejectCode = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// hostReject takes a verdict; the first one counts. The message reaches the caller only when it is a constant of the
// module: composed at run time it could hold text of the exchange.
func hostReject(c *call, mem api.Memory, p []uint64) int32 {
	code, message := c.bytes(mem, p[0], p[1]), c.bytes(mem, p[2], p[3])
	if !rejectCode.Match(code) {
		c.fail(breach("reject: a code is 1 to 64 of a-z, 0-9 and _"))
	}
	if c.reject == nil {
		v := &verdict{code: string(code)}
		if len(message) <= maxMessage && c.constant(uint32(p[2]), message) {
			v.message = clean(string(message), maxMessage)
		}
		c.reject = v
	}
	return okResult
}

// constant tells whether guest memory still is what it was in the snapshot: text of the module or of its configuration.
func (c *call) constant(ptr uint32, b []byte) bool {
	s := c.f.mod.snap
	return s != nil && int(ptr)+len(b) <= len(s.memory) && bytes.Equal(b, s.memory[ptr:int(ptr)+len(b)])
}

func hostGet(c *call, mem api.Memory, p []uint64) int32 {
	name := c.bytes(mem, p[0], p[1])
	buf, writable := c.writable(mem, uint32(p[2]), uint32(p[3]))
	if !writable {
		c.fail(errPointer)
	}
	if len(name) > maxWord || !c.f.grants[string(name)] {
		c.fail(notGranted(string(name)))
	}
	if c.run == nil || c.stage != inText && string(name) == factRole {
		return absent
	}
	value, ok := c.run.p.fact(string(name), c.role)
	if !ok {
		return absent
	}
	copy(buf, value)
	return int32(min(len(value), 1<<30))
}

// notGranted names the fact only where it is one: a guest could put anything there.
func notGranted(name string) breach {
	if knownFact(name) {
		return breach("get of " + name + ", which the configuration does not grant: add it to the filter's grants")
	}
	return "get of a fact that the configuration does not grant: there is none of that name"
}

var logLevels = [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// hostLog writes a guest's line to the log. During an exchange only constants of the module are written as they are:
// no text of an exchange gets into a log.
func hostLog(c *call, mem api.Memory, p []uint64) int32 {
	line := c.bytes(mem, p[1], p[2])
	level := logLevels[min(uint32(p[0]), uint32(len(logLevels)-1))]
	if c.run == nil {
		text := clean(string(line[:min(len(line), 4*maxLogLine)]), maxLogLine)
		if level == slog.LevelError {
			c.fault = text
		}
		c.f.engine.log.LogAttrs(context.Background(), level, "filter", slog.String("filter", c.f.spec.Name), slog.String("line", text))
		return okResult
	}
	if c.run.logs++; c.run.logs > c.f.spec.Limits.Logs {
		return overLimit
	}
	attrs := []slog.Attr{slog.String("filter", c.f.spec.Name), slog.String("request_id", c.run.p.x.ID)}
	if len(line) <= maxLogLine && c.constant(uint32(p[1]), line) {
		attrs = append(attrs, slog.String("line", clean(string(line), maxLogLine)))
	} else {
		attrs = append(attrs, slog.Int("withheld_bytes", len(line)))
	}
	c.f.engine.log.LogAttrs(context.Background(), level, "filter", attrs...)
	return okResult
}

// charge draws on the output that the filter may make for an exchange and direction.
func (c *call) charge(n int) {
	if c.run == nil {
		return
	}
	c.clock.owed += time.Duration(n) * hostByte
	if c.run.output[c.dir] += n; c.run.output[c.dir] > c.f.spec.Limits.Output {
		c.fail(errOutput)
	}
}

const errOutput = breach("it puts in more bytes than its limit")

// clean makes text one line of at most limit bytes: what could break a line, move a cursor or turn the reading
// direction becomes a space.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || strings.ContainsRune("\u2028\u2029\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff", r) {
			return ' '
		}
		return r
	}, s)
	for len(s) > limit || !utf8.ValidString(s) {
		cut := min(len(s)-1, limit)
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return s
}
