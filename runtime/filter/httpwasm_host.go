package filter

import (
	"context"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"
)

// handlerFunction is one function of the module "http_handler". in is the set of stages that may call it.
type handlerFunction struct {
	name, sig string
	in        uint8
	call      func(c *call, mem api.Memory, p []uint64) uint64
}

const (
	handles  = 1<<inHandleRequest | 1<<inHandleResponse
	starting = 1<<inStart | handles
)

// handlerTable is every function of the ABI.
var handlerTable = [...]handlerFunction{
	{"get_config", "ii:i", starting, handlerConfig},
	{"enable_features", "i:i", starting, handlerFeatures},
	{"log", "iii:", starting, handlerLog},
	{"log_enabled", "i:i", starting, handlerLogEnabled},
	{"get_header_names", "iii:I", handles, handlerNames},
	{"get_header_values", "iiiii:I", handles, handlerValues},
	{"set_header_value", "iiiii:", handles, handlerSet},
	{"add_header_value", "iiiii:", handles, handlerAdd},
	{"remove_header", "iii:", handles, handlerRemove},
	{"read_body", "iii:I", handles, handlerRead},
	{"write_body", "iii:", handles, handlerWrite},
	{"get_method", "ii:i", handles, func(c *call, mem api.Memory, p []uint64) uint64 { return give(c, mem, p[0], p[1], c.http.method) }},
	{"set_method", "ii:", handles, func(c *call, mem api.Memory, p []uint64) uint64 { return c.same(mem, p, "method", c.http.method) }},
	{"get_uri", "ii:i", handles, func(c *call, mem api.Memory, p []uint64) uint64 { return give(c, mem, p[0], p[1], c.http.uri) }},
	{"set_uri", "ii:", handles, func(c *call, mem api.Memory, p []uint64) uint64 { return c.same(mem, p, "uri", c.http.uri) }},
	{"get_protocol_version", "ii:i", handles, func(c *call, mem api.Memory, p []uint64) uint64 { return give(c, mem, p[0], p[1], c.http.protocol) }},
	{"get_source_addr", "ii:i", handles, func(c *call, mem api.Memory, p []uint64) uint64 { return give(c, mem, p[0], p[1], c.http.source) }},
	{"get_status_code", ":i", handles, func(c *call, _ api.Memory, _ []uint64) uint64 { return uint64(c.http.status) }},
	{"set_status_code", "i:", handles, handlerStatus},
}

// enter is what wazero calls.
func (h *handlerFunction) enter(ctx context.Context, mod api.Module, stack []uint64) {
	c := ctx.(*call)
	c.tick()
	if h.in&(1<<c.stage) == 0 || c.stage != inStart && c.http == nil {
		c.fail(breach(h.name + " is called in " + c.stage.String()))
	}
	ret := h.call(c, mod.Memory(), stack)
	if len(stack) > 0 {
		stack[0] = ret
	}
}

// view reads guest memory as bytes does, but takes any pointer to nothing: some guests pass one that means nothing.
func (c *call) view(mem api.Memory, ptr, n uint64) []byte {
	if uint32(n) == 0 {
		return nil
	}
	return c.bytes(mem, ptr, n)
}

// room gives n bytes of guest memory to fill, and lets them be charged for.
func (c *call) room(mem api.Memory, ptr uint64, n int) []byte {
	buf, ok := c.writable(mem, uint32(ptr), uint32(n))
	if !ok {
		c.fail(errPointer)
	}
	c.clock.owed += time.Duration(n) * hostByte
	return buf
}

// give writes a value to the guest, unless it is longer than limit, and returns its length.
func give[T string | []byte](c *call, mem api.Memory, ptr, limit uint64, value T) uint64 {
	if n := len(value); n > 0 && n <= int(uint32(limit)) {
		copy(c.room(mem, ptr, n), value)
	}
	return uint64(len(value))
}

// giveAll writes a sequence of values, each ended by NUL, unless it is longer than limit. It returns count<<32 | length.
func (c *call) giveAll(mem api.Memory, ptr, limit uint64, n int, value func(i int) string) uint64 {
	size := n
	for i := range n {
		size += len(value(i))
	}
	if n > 0 && size <= int(uint32(limit)) {
		buf := c.room(mem, ptr, size)
		for i := range n {
			buf = buf[copy(buf, value(i)):]
			buf[0], buf = 0, buf[1:]
		}
	}
	return uint64(n)<<32 | uint64(size)
}

// same is set_method and set_uri: no handler changes where a request goes.
func (c *call) same(mem api.Memory, p []uint64, what, now string) uint64 {
	to := c.view(mem, p[0], p[1])
	if what == "uri" && len(to) == 0 {
		to = []byte("/")
	}
	if string(to) != now {
		c.fail(breach("set_" + what + ": no filter changes the request's " + what))
	}
	return 0
}

func handlerConfig(c *call, mem api.Memory, p []uint64) uint64 {
	return give(c, mem, p[0], p[1], c.f.spec.Config)
}

// handlerFeatures switches features on: for every exchange when the module starts, for this one after that.
func handlerFeatures(c *call, _ api.Memory, p []uint64) uint64 {
	want := uint32(p[0]) & featuresKnown
	if c.http == nil {
		c.features |= want
	} else {
		c.http.features |= want
	}
	return featuresKnown
}

// handlerLevels are the levels of the ABI, which begin at -1, as those of the native log. The one above error is "none".
const handlerLevels = 4

func handlerLog(c *call, mem api.Memory, p []uint64) uint64 {
	if level := uint64(uint32(p[0]) + 1); level < handlerLevels {
		line := c.view(mem, p[1], p[2])
		if len(line) > 0 {
			hostLog(c, mem, []uint64{level, p[1], p[2]})
		}
	}
	return 0
}

func handlerLogEnabled(c *call, _ api.Memory, p []uint64) uint64 {
	if level := uint32(p[0]) + 1; level < handlerLevels && c.f.engine.log.Enabled(context.Background(), logLevels[level]) {
		return 1
	}
	return 0
}

// The kinds of headers; those of bodies are the first two.
const (
	kindRequest  = 0
	kindResponse = 1
	kindLast     = 3 // 2 and 3 are the trailers
)

// headers gives the headers of a kind to read. There are no trailers: it is nil for them.
func (c *call) headers(kind uint64) *message {
	switch uint32(kind) {
	case kindRequest:
		return &c.http.request
	case kindResponse:
		return &c.http.answer
	}
	if uint32(kind) > kindLast {
		c.fail(breach("a header kind is 0 to 3"))
	}
	return nil
}

// mutable gives the headers of a kind to write. What is written stays in the handler's own view of the exchange.
func (c *call) mutable(kind uint64) *message {
	m := c.headers(kind)
	switch {
	case m == nil:
		c.fail(breach("trailers can't be set: the gateway has none (feature_trailers)"))
	case c.http.after && m == &c.http.request:
		c.fail(breach("a request's header is set in handle_response"))
	case c.http.after:
		c.needs(featureBufferResponse, "an answer's header is set")
	}
	if c.run != nil {
		c.f.headers.Do(func() {
			c.f.engine.log.Warn("http-wasm handler sets headers, which stay in its own view: neither the model server nor the caller gets them",
				slog.String("filter", c.f.spec.Name))
		})
	}
	return m
}

// needs ends the call where handle_response does what takes a feature that is not on.
func (c *call) needs(feature uint32, what string) {
	name := "feature_buffer_request"
	if feature == featureBufferResponse {
		name = "feature_buffer_response"
	}
	if c.http.after && c.http.features&feature == 0 {
		c.fail(breach(what + " in handle_response without " + name))
	}
}

// name reads a header's name.
func (c *call) name(mem api.Memory, ptr, n uint64) string {
	name := c.view(mem, ptr, n)
	if len(name) == 0 {
		c.fail(breach("a header's name is empty"))
	}
	c.clock.owed += time.Duration(len(name)) * hostByte
	return strings.ToLower(string(name))
}

func handlerNames(c *call, mem api.Memory, p []uint64) uint64 {
	m := c.headers(p[0])
	if m == nil {
		return 0
	}
	return c.giveAll(mem, p[1], p[2], len(m.fields), func(i int) string { return m.fields[i].name })
}

func handlerValues(c *call, mem api.Memory, p []uint64) uint64 {
	m, name := c.headers(p[0]), c.name(mem, p[1], p[2])
	if m == nil {
		return 0
	}
	i, ok := m.find(name)
	if !ok {
		return 0
	}
	values := m.fields[i].values
	return c.giveAll(mem, p[3], p[4], len(values), func(i int) string { return values[i] })
}

// set and add share their parameters: the kind, the name, and the value.
func (c *call) assignment(mem api.Memory, p []uint64) (m *message, name, value string) {
	m, name = c.mutable(p[0]), c.name(mem, p[1], p[2])
	v := c.view(mem, p[3], p[4])
	c.charge(len(name) + len(v))
	n := 0
	for i := range m.fields {
		n += 1 + len(m.fields[i].values)
	}
	if n >= 2*maxFields {
		c.fail(breach("it sets too many headers"))
	}
	if c.run == nil && len(name)+len(v) > maxLogLine { // while it loads there is no limit of output to draw on
		c.fail(errOutput)
	}
	return m, name, string(v)
}

func handlerSet(c *call, mem api.Memory, p []uint64) uint64 {
	m, name, value := c.assignment(mem, p)
	m.put(name, []string{value})
	return 0
}

func handlerAdd(c *call, mem api.Memory, p []uint64) uint64 {
	m, name, value := c.assignment(mem, p)
	m.add(name, value)
	return 0
}

func handlerRemove(c *call, mem api.Memory, p []uint64) uint64 {
	c.mutable(p[0]).remove(c.name(mem, p[1], p[2]))
	return 0
}

// body gives the message of a kind whose body is read or written.
func (c *call) body(kind uint64) *message {
	if uint32(kind) > kindResponse {
		c.fail(breach("a body kind is 0 or 1"))
	}
	return c.headers(kind)
}

// handlerRead gives the next bytes of a body: eof<<32 | length.
func handlerRead(c *call, mem api.Memory, p []uint64) uint64 {
	m, limit := c.body(p[0]), uint32(p[2])
	if m == &c.http.request {
		c.needs(featureBufferRequest, "the request's body is read")
	} else {
		c.needs(featureBufferResponse, "the answer's body is read")
	}
	if limit == 0 {
		c.fail(breach("read_body with a limit of 0"))
	}
	rest := m.body[m.read:]
	n := int(min(uint64(len(rest)), uint64(limit)))
	if n > 0 {
		copy(c.room(mem, p[1], n), rest)
	}
	ret := uint64(n)
	if m.read += n; m.read == len(m.body) {
		ret |= 1 << 32
	}
	return ret
}

// handlerWrite appends to a body; the first call replaces it. An answer that a handler gives by itself, in handle_request,
// is a verdict: its body goes nowhere, but for a short constant of the module, which the caller may read.
func handlerWrite(c *call, mem api.Memory, p []uint64) uint64 {
	h, m, text := c.http, c.body(p[0]), c.view(mem, p[1], p[2])
	c.clock.owed += time.Duration(len(text)) * hostByte
	switch {
	case m == &h.request && h.after:
		c.fail(breach("the request's body is written in handle_response"))
	case m == &h.request:
	case !h.after:
		if !m.wrote && len(text) <= maxMessage && utf8.Valid(text) && c.constant(uint32(p[1]), text) {
			h.said = strings.TrimSpace(clean(string(text), maxMessage))
		} else if len(text) > 0 {
			h.said = ""
		}
		m.wrote = true
		return 0
	default:
		c.needs(featureBufferResponse, "the answer's body is written")
	}
	if len(m.out)+len(text) > len(m.body)+c.f.spec.Limits.Output {
		c.fail(errOutput)
	}
	m.out, m.wrote = append(m.out, text...), true
	return 0
}

func handlerStatus(c *call, _ api.Memory, p []uint64) uint64 {
	status := uint32(p[0])
	if status < 100 || status > 599 {
		c.fail(breach("set_status_code of what is no HTTP status"))
	}
	c.needs(featureBufferResponse, "the status is set")
	c.http.status = status
	return 0
}
