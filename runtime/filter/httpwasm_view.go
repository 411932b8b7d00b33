package filter

import (
	"cmp"
	"crypto/sha256"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// shown are the caller's headers that the synthetic view has: what kind of client asks, and for what form of answer.
// Nothing in them tells who asks, and none is a credential, a cookie or a part of the framing.
var shown = [...]string{"Accept", "Accept-Language", "User-Agent"}

// maxFields bounds the headers of one message, with those that a handler adds.
const maxFields = 256

// handling is one exchange as an http-wasm handler sees it, from handle_request to handle_response.
type handling struct {
	features uint32
	after    bool // handle_response runs: the request is on its way, and so is the answer
	status   uint32
	said     string // the body that the handler answers with by itself, where that is a constant of the module
	ctx      uint32 // handle_request's word to handle_response
	kept     *kept
	seen     []byte // digest of all that handle_request could read; nil where no handle_response follows

	method, uri, protocol, source string
	request, answer               message
}

// message is one side of an exchange.
type message struct {
	fields []field // in order of name
	body   []byte
	read   int    // bytes of body that read_body gave out
	out    []byte // what write_body wrote
	wrote  bool
}

// field is one header with its values.
type field struct {
	name   string // in lower case
	values []string
}

// synthetic makes the view that every handler gets unless it is trusted with more: the request as the gateway's own
// listener could have received it from nobody in particular.
func synthetic(x *exchange.Exchange) *handling {
	path, _, _ := strings.Cut(x.Client.URI, "?")
	h := &handling{method: "POST", uri: cmp.Or(path, "/"), protocol: "HTTP/1.1", source: source(x.Client.IP, 0)}
	h.request.fields = jsonFields()
	for _, name := range shown {
		if values := x.Client.Headers[name]; len(values) > 0 {
			h.request.put(strings.ToLower(name), values)
		}
	}
	return h
}

// full makes the view of trusted handlers.
func full(x *exchange.Exchange) *handling {
	c := &x.Client
	h := &handling{
		method: cmp.Or(c.Method, "POST"), uri: cmp.Or(c.URI, "/"), protocol: cmp.Or(c.Protocol, "HTTP/1.1"), source: source(c.IP, c.Port),
	}
	for name, values := range c.Headers {
		h.request.put(strings.ToLower(name), values)
	}
	if c.Host != "" {
		h.request.put("host", []string{c.Host})
	}
	return h
}

// source is an address as get_source_addr gives it, such as "203.0.113.9:41000". It always has a port: guests cut it off.
func source(ip netip.Addr, port uint16) string {
	if !ip.IsValid() {
		ip = netip.IPv4Unspecified()
	}
	return netip.AddrPortFrom(ip, port).String()
}

func jsonFields() []field { return []field{{"content-type", []string{"application/json"}}} }

// shows readies the request: the body that the handler reads, with its length where the request came with one.
func (h *handling) shows(body []byte) {
	h.request.body = body
	if _, ok := h.request.find("content-length"); ok {
		h.request.put("content-length", []string{strconv.Itoa(len(body))})
	}
}

// answered readies the answer for handle_response. body is nil where the handler may not read it.
func (h *handling) answered(body []byte) {
	h.after, h.status, h.said = true, 200, ""
	h.request.read, h.request.out = 0, nil
	h.answer = message{fields: h.answer.fields, body: body}
	h.answer.put("content-type", []string{"application/json"})
}

// digest sums up all that the handler can read of the request.
func (h *handling) digest() []byte {
	d := sha256.New()
	for _, s := range []string{h.method, h.uri, h.protocol, h.source} {
		d.Write(strconv.AppendQuote(nil, s))
	}
	for _, f := range h.request.fields {
		d.Write(strconv.AppendQuote(nil, f.name))
		for _, v := range f.values {
			d.Write(strconv.AppendQuote([]byte{'='}, v))
		}
	}
	d.Write(h.request.body)
	return d.Sum(nil)
}

// find gives a header's place, or where it would stand.
func (m *message) find(name string) (int, bool) {
	return slices.BinarySearchFunc(m.fields, name, func(f field, name string) int { return strings.Compare(f.name, name) })
}

// put sets a header. It does not keep values.
func (m *message) put(name string, values []string) {
	i, ok := m.find(name)
	if !ok {
		m.fields = slices.Insert(m.fields, i, field{name: name})
	}
	m.fields[i].values = slices.Clone(values)
}

// add adds a value to a header.
func (m *message) add(name, value string) {
	if i, ok := m.find(name); ok {
		m.fields[i].values = append(m.fields[i].values, value)
		return
	}
	m.put(name, []string{value})
}

func (m *message) remove(name string) {
	if i, ok := m.find(name); ok {
		m.fields = slices.Delete(m.fields, i, i+1)
	}
}
