//go:build !wasip1

package sluice

import "slices"

// Call is one call of the host by a filter under Try.
type Call struct {
	Name       string // redact, redact_open, redact_close, replace, next_state, set, message, label, reject, log
	Start, End int    // redact, redact_open (Start), redact_close (End), replace
	Word       uint64 // next_state; message: role, plus 16 where it comes last; log: level
	Args       []string
}

// Facts are what Get reads outside wasm.
var Facts = map[string]string{}

var calls []Call

// Try shows a text to the registered filter as one window with nothing in front and nothing behind, and gives the calls it made.
// It exists outside wasm only, for the filter's own tests; it is not safe for concurrent use.
func Try(text string, flags uint32) []Call {
	return record(func() { show([]byte(text), flags|1, 0) })
}

// TryConfig gives the registered filter its configuration.
func TryConfig(json string) (ok bool, made []Call) {
	made = record(func() { ok = registered.configure([]byte(json)) == 0 })
	return ok, made
}

// TryRequest shows the registered filter a request.
func TryRequest(json string) (ok bool, made []Call) {
	made = record(func() { ok = run(registered.OnRequest, []byte(json)) == 0 })
	return ok, made
}

func record(f func()) []Call {
	calls = nil
	f()
	return slices.Clip(calls)
}

func hostRedact(start, end uint32, kind string) {
	calls = append(calls, Call{Name: "redact", Start: int(start), End: int(end), Args: []string{kind}})
}

func hostRedactOpen(start uint32, kind string) {
	calls = append(calls, Call{Name: "redact_open", Start: int(start), Args: []string{kind}})
}

func hostRedactClose(end uint32) {
	calls = append(calls, Call{Name: "redact_close", End: int(end)})
}

func hostReplace(start, end uint32, text string) {
	calls = append(calls, Call{Name: "replace", Start: int(start), End: int(end), Args: []string{text}})
}

func hostNextState(word uint64) { calls = append(calls, Call{Name: "next_state", Word: word}) }

func hostSet(name, json string) {
	calls = append(calls, Call{Name: "set", Args: []string{name, json}})
}

func hostMessage(where, role uint32, text string) {
	calls = append(calls, Call{Name: "message", Word: uint64(where<<4 | role), Args: []string{text}})
}

func hostLabel(key, value string) {
	calls = append(calls, Call{Name: "label", Args: []string{key, value}})
}

func hostReject(code, message string) {
	calls = append(calls, Call{Name: "reject", Args: []string{code, message}})
}

func hostLog(level uint32, text string) {
	calls = append(calls, Call{Name: "log", Word: uint64(level), Args: []string{text}})
}

func hostGet(key string, buf []byte) int32 {
	value, ok := Facts[key]
	if !ok {
		return -1
	}
	copy(buf, value)
	return int32(len(value))
}
