package translate

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// readGeminiAnswer reads a whole answer.
func readGeminiAnswer(root strictjson.Value, a *answer) error {
	a.id, a.model = root.Get("responseId").Bytes(), root.Get("modelVersion").Bytes()
	a.usage = readGeminiUsage(root.Get("usageMetadata"))
	candidates := root.Get("candidates")
	switch {
	case candidates.Len() > 1:
		return errChoices
	case candidates.Len() == 0 && root.Get("promptFeedback", "blockReason").Kind() == strictjson.String:
		a.finish = filtered
		return nil
	case candidates.Len() == 0:
		return errChoices
	}
	first := candidates.Index(0)
	var err error
	first.Get("content", "parts").Elements(func(_ int, v strictjson.Value) bool {
		var p part
		if p, err = readGeminiPart(v); err == nil {
			a.parts = append(a.parts, p)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if a.finish = geminiFinish(first, has(a.parts, call)); a.finish == failed {
		return errFailed
	}
	return nil
}

func readGeminiPart(v strictjson.Value) (part, error) {
	if f := v.Get("functionCall"); f.Kind() == strictjson.Object {
		p := part{kind: call, id: callID(f.Get("id").Bytes()), name: f.Get("name").Bytes(), text: emptyObject}
		if args := f.Get("args"); args.Kind() == strictjson.Object {
			p.text = args.Append(nil)
		}
		return p, nil
	}
	t := v.Get("text")
	switch thought, _ := v.Get("thought").Bool(); {
	case t.Kind() != strictjson.String && v.Get("thoughtSignature").Kind() != strictjson.String:
		return part{}, errContent
	case thought:
		return part{kind: reasoning, text: t.Bytes()}, nil
	default:
		return part{text: t.Bytes()}, nil
	}
}

// geminiFinishes are the finish reasons; one that is not here says no more than that it ended.
var geminiFinishes = map[string]finish{
	"STOP": done, "MAX_TOKENS": length, "SAFETY": filtered, "RECITATION": filtered, "LANGUAGE": filtered, "BLOCKLIST": filtered,
	"PROHIBITED_CONTENT": filtered, "SPII": filtered, "IMAGE_SAFETY": filtered, "MALFORMED_FUNCTION_CALL": failed,
	"UNEXPECTED_TOOL_CALL": failed, "TOO_MANY_TOOL_CALLS": failed, "MISSING_THOUGHT_SIGNATURE": failed,
}

func geminiFinish(candidate strictjson.Value, calling bool) finish {
	word := candidate.Get("finishReason")
	if word.Kind() != strictjson.String {
		return unfinished
	}
	f, ok := geminiFinishes[string(word.Bytes())]
	switch {
	case !ok:
		return done
	case f == done && calling:
		return called
	default:
		return f
	}
}

func readGeminiUsage(v strictjson.Value) (u usage) {
	if v.Kind() != strictjson.Object {
		return u
	}
	u.known = true
	u.input, _ = v.Get("promptTokenCount").Int64()
	u.cached, _ = v.Get("cachedContentTokenCount").Int64()
	u.reasoning, _ = v.Get("thoughtsTokenCount").Int64()
	u.output, _ = v.Get("candidatesTokenCount").Int64()
	u.output += u.reasoning // it counts them apart
	return u
}

// geminiReader reads the events of a stream: each is an answer with what is new. The dialect gives [DONE] behind the last
// one, for the API has no word for it.
type geminiReader struct {
	begun bool
	calls int
	usage usage
}

func (r *geminiReader) read(data []byte, root strictjson.Value, take func(delta) error) error {
	if data != nil {
		if r.usage.known {
			if err := take(delta{happening: reports, usage: r.usage}); err != nil {
				return err
			}
		}
		return take(delta{happening: terminates})
	}
	if root.Get("error").Kind() == strictjson.Object {
		return errFailed
	}
	if !r.begun {
		r.begun = true
		if err := take(delta{happening: begins, id: root.Get("responseId").Bytes(), model: root.Get("modelVersion").Bytes()}); err != nil {
			return err
		}
	}
	if u := readGeminiUsage(root.Get("usageMetadata")); u.known {
		r.usage = u
	}
	if root.Get("promptFeedback", "blockReason").Kind() == strictjson.String {
		return take(delta{happening: ends, finish: filtered})
	}
	candidates := root.Get("candidates")
	if candidates.Len() > 1 {
		return errChoices
	}
	return r.candidate(candidates.Index(0), take)
}

func (r *geminiReader) candidate(v strictjson.Value, take func(delta) error) error {
	var err error
	v.Get("content", "parts").Elements(func(_ int, v strictjson.Value) bool {
		var p part
		if p, err = readGeminiPart(v); err == nil {
			err = r.part(&p, take)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	switch f := geminiFinish(v, r.calls > 0); f {
	case unfinished:
		return nil
	case failed:
		return errFailed
	default:
		return take(delta{happening: ends, finish: f})
	}
}

func (r *geminiReader) part(p *part, take func(delta) error) error {
	switch p.kind {
	case reasoning:
		return taken(take, thinks, p.text)
	case call:
		n := r.calls
		r.calls++
		if err := take(delta{happening: calls, call: n, id: p.id, name: p.name}); err != nil {
			return err
		}
		return take(delta{happening: argues, call: n, text: p.text})
	default:
		return taken(take, says, p.text)
	}
}
