package sluice

// Text is one window of a text: settled left context, then new text. It is valid until the hook returns.
type Text struct {
	buf     []byte
	flags   uint32
	state   uint64
	settled int
}

// Bytes is the whole window. Offsets of the methods count from its start. It must not be changed or kept.
func (t *Text) Bytes() []byte { return t.buf }

// Left is how many bytes at the front are context: settled already, not editable, as this filter was first given them.
func (t *Text) Left() int { return int(t.flags >> 16 & 255) }

// End reports whether nothing follows: then all of it is settled, whatever Settle said.
func (t *Text) End() bool { return t.flags&1 != 0 }

// Answer reports whether the text is a model's answer, not a request's.
func (t *Text) Answer() bool { return t.flags&2 != 0 }

// Role is the class of the text's author.
func (t *Text) Role() Role { return Role(t.flags >> 2 & 7) }

// Arguments reports whether the text is JSON: the arguments of a tool call, escapes as they stand.
func (t *Text) Arguments() bool { return t.flags&(1<<5) != 0 }

// Streamed reports whether the text arrives piece by piece.
func (t *Text) Streamed() bool { return t.flags&(1<<6) != 0 }

// State is the word that the last window of the same text left with SetState, 0 at first.
func (t *Text) State() uint64 { return t.state }

// SetState leaves a word for the next window of the same text.
func (t *Text) SetState(word uint64) { hostNextState(word) }

// Settle says that the first n bytes are decided; the rest is shown again with what follows. Without a call all is settled.
// Spans must end within what is settled.
func (t *Text) Settle(n int) { t.settled = n }

// Redact reports that bytes start to end are of a kind ([a-z][a-z0-9_]*). What becomes of them is the configuration's
// business. Spans are half-open, ascending and do not overlap; a bad one fails the exchange.
func (t *Text) Redact(start, end int, kind string) { hostRedact(uint32(start), uint32(end), kind) }

// Open begins a finding that may be longer than a window; Close, in this or a later window, ends it.
func (t *Text) Open(start int, kind string) { hostRedactOpen(uint32(start), kind) }

// Close ends what Open began.
func (t *Text) Close(end int) { hostRedactClose(uint32(end)) }

// Replace puts other text in place of bytes start to end; start = end inserts.
func (t *Text) Replace(start, end int, with string) { hostReplace(uint32(start), uint32(end), with) }

// show runs the text hook over a window and gives the settled count.
func show(buf []byte, flags uint32, state uint64) int64 {
	t := Text{buf: buf, flags: flags, state: state, settled: len(buf)}
	if registered.Text != nil {
		registered.Text(&t)
	}
	if t.End() {
		return int64(len(buf))
	}
	return int64(t.settled)
}

// Set sets a parameter of the request to a JSON value, in OnRequest: never the model, streaming or the messages.
func Set(name, json string) { hostSet(name, json) }

// AddMessage adds a message to the request, in OnRequest: before the others, or after them where last is set. The role is
// RoleSystem, RoleUser or RoleAssistant.
func AddMessage(last bool, role Role, text string) {
	where := uint32(0)
	if last {
		where = 1
	}
	hostMessage(where, uint32(role), text)
}

// Label states a fact for the policy, input.labels.<filter>.<key>: "true", "false", a decimal integer or a word.
func Label(key, value string) { hostLabel(key, value) }

// Reject ends the exchange with a verdict: a code such as "too_long", and a message.
func Reject(code, message string) { hostReject(code, message) }

// Log writes a bounded record to the gateway's log. No caller sees it.
func Log(level Level, text string) { hostLog(uint32(level), text) }

// Get reads a fact that the configuration grants to this filter, such as "principal.tenant". A fact that is not granted fails the
// exchange; ok is false where the fact has no value.
func Get(key string) (value string, ok bool) {
	buf := make([]byte, 128)
	for {
		n := hostGet(key, buf)
		if n < 0 {
			return "", false
		}
		if int(n) <= len(buf) {
			return string(buf[:n]), true
		}
		buf = make([]byte, n)
	}
}
