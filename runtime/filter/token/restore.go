package token

import "bytes"

// Lane is the kind of text that a Restorer reads.
type Lane int

const (
	// Text is prose, markdown or HTML that somebody reads.
	Text Lane = iota
	// JSON is a JSON text, such as a tool call's arguments: values are restored
	// inside its strings only, escaped as JSON. Each string is a text of its own.
	JSON
)

// Restorer puts the values of a table back into one lane of text. The zero
// value leaves everything as it is; use NewRestorer.
type Restorer struct {
	table     *Table
	lane      Lane
	json      jsonPlace
	context   context
	candidate grammar
	held      [maxToken]byte // the candidate's bytes, candidate.n of them
}

// NewRestorer returns a restorer for a lane that begins now. It reads t, which
// must not change any more.
func NewRestorer(t *Table, l Lane) *Restorer {
	return &Restorer{table: t, lane: l}
}

// Push appends to dst what the next piece of the lane's text lets go. With end,
// the lane is complete and nothing stays held back; the restorer is then as new.
func (r *Restorer) Push(dst, text []byte, end bool) []byte {
	if r.table.Len() == 0 {
		return append(dst, text...)
	}
	for len(text) > 0 {
		if r.candidate.n == 0 {
			dst, text = r.run(dst, text)
			continue
		}
		dst, text = r.decide(dst, text)
	}
	if end {
		dst = r.release(dst)
		*r = Restorer{table: r.table, lane: r.lane}
	}
	return dst
}

// Held returns how many bytes are held back now.
func (r *Restorer) Held() int { return r.candidate.n }

// run passes text on up to the next "[" that may begin a token, and begins it.
func (r *Restorer) run(dst, text []byte) (out, rest []byte) {
	n := bytes.IndexByte(text, '[')
	if n < 0 {
		n = len(text)
	}
	r.read(text[:n])
	dst = append(dst, text[:n]...)
	if n == len(text) {
		return dst, nil
	}
	r.held[0] = '['
	r.candidate.begin()
	return dst, text[n+1:]
}

// decide reads text until the candidate is a token or is none. The byte that
// disproves it is left in rest: it may begin the next one.
func (r *Restorer) decide(dst, text []byte) (out, rest []byte) {
	for i, b := range text {
		n := r.candidate.n
		switch r.candidate.next(b) {
		case undecided:
			r.held[n] = b
			continue
		case complete:
			r.held[n] = b
			return r.resolve(dst), text[i+1:]
		}
		r.candidate.n = n
		return r.release(dst), text[i:]
	}
	return dst, nil
}

// resolve appends what a complete token becomes.
func (r *Restorer) resolve(dst []byte) []byte {
	value, known := r.table.Lookup(r.held[:r.candidate.n])
	if !known || !r.context.open() || r.lane == JSON && !r.json.inText() {
		return r.release(dst)
	}
	r.candidate.n = 0
	for i := range len(value) { // as output: what follows may stand in a URL that it begins
		r.context.step(value[i])
	}
	if r.lane == JSON {
		return appendEscaped(dst, value)
	}
	return append(dst, value...)
}

// release appends the candidate as the text that it is.
func (r *Restorer) release(dst []byte) []byte {
	held := r.held[:r.candidate.n]
	r.candidate.n = 0
	r.read(held)
	return append(dst, held...)
}

// read takes note of text that goes out.
func (r *Restorer) read(text []byte) {
	if r.lane == JSON {
		for _, b := range text {
			r.readJSON(b)
		}
		return
	}
	r.context.read(text)
}
