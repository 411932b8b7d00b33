package provider

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// demoAnswer is what the demo answers: one text a choice.
type demoAnswer struct {
	id      string
	created int64
	plain   bool // of the operation completions: texts, not messages
	texts   []string
	finish  []string
	input   int
	output  int
	usage   bool // a streamed answer's usage is wanted
}

func newDemoAnswer(root strictjson.Node, c *upstream.Call, echoes []string) *demoAnswer {
	id := c.RequestID
	if id == "" {
		id = "demo"
	}
	a := &demoAnswer{id: id, created: time.Now().Unix()}
	limit := int64(math.MaxInt64)
	for _, key := range [...]string{"max_tokens", "max_completion_tokens"} {
		if n, ok := root.Get(key).Int64(); ok && n >= 0 {
			limit = min(limit, n)
		}
	}
	a.usage, _ = root.Get("stream_options").Get("include_usage").Bool()
	for _, echo := range echoes {
		text, cut := firstWords(echo, limit)
		a.texts = append(a.texts, demoLabel+text)
		a.output += countWords(demoLabel + text)
		if cut {
			a.finish = append(a.finish, "length")
		} else {
			a.finish = append(a.finish, "stop")
		}
	}
	return a
}

// firstWords cuts s behind its first n words.
func firstWords(s string, n int64) (text string, cut bool) {
	if int64(countWords(s)) <= n {
		return s, false
	}
	rest, used := s, 0
	for ; n > 0; n-- {
		word := nextWord(rest)
		used += len(word)
		rest = rest[len(word):]
	}
	return strings.TrimRight(s[:used], " \t\r\n"), true
}

// nextWord is the front of s with one word: the space before it, and the space behind it up to the next.
func nextWord(s string) string {
	space := func(i int) bool { return strings.IndexByte(" \t\r\n", s[i]) >= 0 }
	i := 0
	for i < len(s) && space(i) {
		i++
	}
	for i < len(s) && !space(i) {
		i++
	}
	for i < len(s) && space(i) {
		i++
	}
	return s[:i]
}

// head appends an answer's or event's members up to its choices.
func (a *demoAnswer) head(dst []byte, chunk bool) []byte {
	object := "chat.completion"
	if a.plain {
		object = "text_completion"
	} else if chunk {
		object += ".chunk"
	}
	dst = append(dst, `{"id":`...)
	dst = strictjson.AppendString(dst, "demo-"+a.id)
	dst = append(dst, `,"object":"`+object+`","created":`...)
	dst = strconv.AppendInt(dst, a.created, 10)
	return append(dst, `,"model":"`+demoModel+`","system_fingerprint":"`+demoFingerprint+`","choices":[`...)
}

// choice appends one choice; member names the object or string that holds the text.
func (a *demoAnswer) choice(dst []byte, i int, member, text, finish string) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(i), 10)
	switch {
	case a.plain:
		dst = strictjson.AppendString(append(dst, `,"text":`...), text)
	case member == "delta" && finish != "":
		dst = append(dst, `,"delta":{}`...)
	case member == "delta":
		dst = append(strictjson.AppendString(append(dst, `,"delta":{"role":"assistant","content":`...), text), '}')
	default:
		dst = append(dst, `,"message":{"role":"assistant","content":`...)
		dst = append(strictjson.AppendString(dst, text), `,"refusal":null}`...)
	}
	dst = append(dst, `,"logprobs":null,"finish_reason":`...)
	if finish == "" {
		return append(dst, "null}"...)
	}
	return append(strictjson.AppendString(dst, finish), '}')
}

func (a *demoAnswer) appendUsage(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `"usage":{"prompt_tokens":`...), int64(a.input), 10)
	dst = strconv.AppendInt(append(dst, `,"completion_tokens":`...), int64(a.output), 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), int64(a.input+a.output), 10)
	return append(dst, '}')
}

// whole is the answer that is not streamed.
func (a *demoAnswer) whole() []byte {
	dst := a.head(nil, false)
	for i, text := range a.texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = a.choice(dst, i, "message", text, a.finish[i])
	}
	return append(a.appendUsage(append(dst, "],"...)), '}')
}

// demoEvents streams a demoAnswer word by word: each choice's words, its finish, then the usage and [DONE].
type demoEvents struct {
	ctx    context.Context
	answer *demoAnswer
	delay  time.Duration
	choice int
	said   int // bytes of the choice's text sent
	begun  bool
	stage  int // after the choices: 0 usage, 1 [DONE], 2 the end
	buf    []byte
}

// Next makes the next event.
func (e *demoEvents) Next() ([]byte, error) {
	if e.stage == 2 {
		return nil, io.EOF
	}
	if err := e.rest(); err != nil {
		return nil, err
	}
	a := e.answer
	if e.choice < len(a.texts) {
		e.buf = a.end(e.word(a.head(e.buf[:0], true)), nil)
		return e.buf, nil
	}
	if e.stage == 0 && a.usage {
		e.stage = 1
		e.buf = a.end(a.head(e.buf[:0], true), a.appendUsage)
		return e.buf, nil
	}
	e.stage = 2
	e.buf = append(e.buf[:0], doneData...)
	return e.buf, nil
}

// Ready does not know whether a word is due.
func (e *demoEvents) Ready() bool { return false }

// end closes an event. Where usage is wanted, every event has the member, null but in the last one.
func (a *demoAnswer) end(dst []byte, usage func([]byte) []byte) []byte {
	dst = append(dst, ']')
	switch {
	case usage != nil:
		dst = usage(append(dst, ','))
	case a.usage:
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, '}')
}

// word appends the choice of the next event: a word, or the end of the choice's text.
func (e *demoEvents) word(dst []byte) []byte {
	a, i := e.answer, e.choice
	if rest := a.texts[i][e.said:]; rest != "" {
		w := nextWord(rest)
		e.said += len(w)
		return a.choice(dst, i, "delta", w, "")
	}
	e.choice, e.said = i+1, 0
	return a.choice(dst, i, "delta", "", a.finish[i])
}

// rest waits before every event but the first.
func (e *demoEvents) rest() error {
	if !e.begun || e.delay <= 0 {
		e.begun = true
		return e.left(e.ctx.Err())
	}
	timer := time.NewTimer(e.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-e.ctx.Done():
		return e.left(e.ctx.Err())
	}
}

func (e *demoEvents) left(err error) error {
	if err == nil {
		return nil
	}
	return &upstream.Failure{Code: wire.ClientClosed, BodySent: true, Cause: err}
}

// Close ends the stream.
func (e *demoEvents) Close() error {
	e.stage = 2
	return nil
}

// Dimensions of the demo's embeddings.
const (
	demoDimensions    = 64
	demoMaxDimensions = 4096
)

// embed answers with vectors that are drawn at random from each text's hash: equal texts have equal vectors, and that is
// all they mean.
func embed(root strictjson.Node) (*upstream.Reply, error) {
	inputs := texts(root.Get("input"))
	if len(inputs) == 0 {
		return nil, refuse("input")
	}
	size := int64(demoDimensions)
	if n := root.Get("dimensions"); n.Kind() != strictjson.Invalid && n.Kind() != strictjson.Null {
		var ok bool
		if size, ok = n.Int64(); !ok || size < 1 || size > demoMaxDimensions {
			return nil, refuse("dimensions")
		}
	}
	asText := root.Get("encoding_format").Is("base64")
	dst, words := []byte(`{"object":"list","model":"`+demoModel+`","data":[`), 0
	for i, text := range inputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		words += countWords(text)
		dst = strconv.AppendInt(append(dst, `{"object":"embedding","index":`...), int64(i), 10)
		dst = appendVector(append(dst, `,"embedding":`...), hashVector(text, int(size)), asText)
		dst = append(dst, '}')
	}
	dst = strconv.AppendInt(append(dst, `],"usage":{"prompt_tokens":`...), int64(words), 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), int64(words), 10)
	return &upstream.Reply{Status: 200, Body: append(dst, "}}"...)}, nil
}

// hashVector is a vector of length 1 in a direction that the text's hash decides.
func hashVector(text string, size int) []float32 {
	random := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(text)))) //nolint:gosec // made to repeat, not to be secret
	v, sum := make([]float64, size), 0.0
	for i := range v {
		v[i] = random.NormFloat64()
		sum += v[i] * v[i]
	}
	out, norm := make([]float32, size), math.Sqrt(sum)
	for i := range v {
		out[i] = float32(v[i] / norm)
	}
	return out
}

// appendVector appends a vector as a list of numbers, or as base64 of little-endian float32 (the OpenAI API's
// encoding_format).
func appendVector(dst []byte, v []float32, asText bool) []byte {
	if asText {
		raw := make([]byte, 0, 4*len(v))
		for _, f := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), raw), '"')
	}
	dst = append(dst, '[')
	for i, f := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(f), 'g', -1, 32)
	}
	return append(dst, ']')
}
