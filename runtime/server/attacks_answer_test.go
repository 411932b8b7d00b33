package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

// chunk is an event of a stream in which choice i says something; said is the members of its delta.
func chunk(i int, said string) string {
	return fmt.Sprintf(`{"id":"c","object":"chat.completion.chunk","choices":[{"index":%d,"delta":{%s},"finish_reason":null}]}`, i, said)
}

// stop is the event that ends choice i.
func stop(i int) string {
	return fmt.Sprintf(`{"id":"c","choices":[{"index":%d,"delta":{},"finish_reason":"stop"}]}`, i)
}

// answer is a whole answer with that message.
func answer(message string, more ...string) modelserver.Step {
	return modelserver.JSON(`{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{` + message + `},"finish_reason":"stop"` + strings.Join(more, "") + `}]}`)
}

// clean sees to it that what the model made up reaches the caller in no field, form or spelling.
func (s *siege) clean(t *testing.T, step modelserver.Step, body string) string {
	t.Helper()
	s.m.Script(step)
	r := s.Post("red", chatPath, body, "Cache-Control", "no-store")
	if leak := shows(r.Body, made, "bob@", "corp.example", "[98,111,98", "[98, 111, 98"); leak != "" {
		t.Errorf("the caller reads %s\nof %s", leak, r.Body)
	}
	if r.Status != 200 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	return r.Body
}

func TestAttackWholeAnswers(t *testing.T) {
	alone(t)
	s := besiege(t)
	f := func(name string, step modelserver.Step) {
		t.Run(name, func(t *testing.T) { s.clean(t, step, ask("hi")) })
	}
	f("content", answer(`"content":"ask bob@corp.example"`))
	f("escaped", answer(`"content":"ask \u0062ob\u0040corp\u002eexample"`))
	f("refusal", answer(`"content":null,"refusal":"not bob@corp.example"`))
	f("reasoning", answer(`"content":"","reasoning_content":"bob@corp.example","reasoning":"bob@corp.example"`))
	f("arguments", answer(`"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"to\":\"bob@corp.example\"}"}}]`))
	f("arguments, escaped twice", answer(`"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"to\":\"bob\\u0040corp.example\"}"}}]`))
	f("arguments as an object", answer(`"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":{"to":"bob@corp.example"}}}]`))
	f("legacy function call", answer(`"function_call":{"name":"f","arguments":"bob@corp.example"}`))
	f("custom tool", answer(`"tool_calls":[{"id":"1","type":"custom","custom":{"name":"f","input":"bob@corp.example"}}]`))
	f("parts", answer(`"content":[{"type":"text","text":"bob@corp.example"}]`))
	f("split parts", answer(`"content":[{"type":"text","text":"ask bob@co"},{"type":"text","text":"rp.example"}]`))
	f("split in many", answer(`"content":[{"type":"text","text":"ask "},{"type":"text","text":"bob"},{"text":"@","type":"text"},{"type":"text","text":""},{"type":"text","text":"corp.example"},{"type":"image_url"},{"type":"text","text":" now"}]`))
	f("annotations", answer(`"content":"","annotations":[{"type":"url_citation","url_citation":{"title":"bob@corp.example"}}]`))
	f("transcript", answer(`"content":null,"audio":{"id":"a","data":"AAAA","transcript":"bob@corp.example"}`))
	f("unknown fields", answer(`"content":"","x":{"y":["bob@corp.example"]}`, `,"z":"bob@corp.example"`))
	f("log probabilities", answer(`"content":"bob@corp.example"`, `,"logprobs":{"content":[{"token":"bob@","bytes":[98,111,98,64],"logprob":-1,"top_logprobs":[{"token":"bob@","logprob":-1}]},{"token":"corp.example"}]},"token_ids":[98,111,98]`))
	f("outside the choices", modelserver.JSON(`{"choices":[{"index":0,"message":{"content":"x"}}],"warning":"bob@corp.example","prompt_filter_results":[{"detail":"bob@corp.example"}]}`))
	f("many choices", modelserver.JSON(`{"choices":[{"index":0,"message":{"content":"x"}},{"index":0,"message":{"content":"bob@corp.example"}},{"index":7,"message":{"content":"bob@corp.example"}},{"message":{"content":"bob@corp.example"}}]}`))
	f("a delta in a whole answer", modelserver.JSON(`{"choices":[{"index":0,"delta":{"content":"bob@corp.example"},"message":{"content":"bob@corp.example"},"text":"bob@corp.example"}]}`))
	f("keys", answer(`"content":"","x":{"bob@corp.example":1,"first name":{"to bob@corp.example":{}}}`))
	f("a tool's name and id", answer(`"tool_calls":[{"id":"bob@corp.example","function":{"name":"bob@corp.example","arguments":""}}],"function_call":{"name":"bob@corp.example"}`))
	f("white space in front", modelserver.JSON("\r\n\t "+`{"choices":[{"message":{"content":"bob@corp.example"}}]}`))
}

// Every split of a value over events, in every way an event may be written.
func TestAttackSplitStreams(t *testing.T) {
	alone(t)
	s := besiege(t)
	f := func(name, newline string) {
		t.Run(name, func(t *testing.T) {
			for i := 1; i < len(made); i++ {
				a, b := chunk(0, `"content":"ask `+made[:i]+`"`), chunk(0, `"content":"`+made[i:]+` now"`)
				all := strings.Join([]string{": hi", "event: x", "data: " + a, "", "id: 7", "data:" + b, "", "data: " + stop(0), "", "data: [DONE]", "", ""}, newline)
				half := len(streamHead) + len(newline) + i*20
				all = streamHead + all
				body := s.clean(t, modelserver.Raw(all[:half], all[half:]), streamed(ask("hi")))
				if got := says(body); !strings.HasPrefix(got, "ask ") || !strings.HasSuffix(got, " now") || !strings.HasSuffix(body, "data: [DONE]\n\n") {
					t.Errorf("split at %d: reads %q of %s", i, got, body)
				}
			}
		})
	}
	f("LF", "\n")
	f("CRLF", "\r\n")
	f("CR", "\r")
	t.Run("data over several lines", func(t *testing.T) {
		lines := strings.ReplaceAll(chunk(0, `"content":"ask bob@"`), ",", ",\ndata: ")
		s.clean(t, modelserver.Raw(streamHead, "data: "+lines+"\n\n", "data: "+chunk(0, `"content":"corp.example"`)+"\n\ndata: [DONE]\n\n"), streamed(ask("hi")))
	})
}

func TestAttackStreamFields(t *testing.T) {
	s := besiege(t)
	f := func(name string, events ...string) {
		t.Run(name, func(t *testing.T) {
			s.clean(t, modelserver.Events(0, append(events, "[DONE]")...), streamed(ask("hi")))
		})
	}
	// two says a thing in two events; %s is where its halves go.
	two := func(name, member string) {
		f(name, chunk(0, fmt.Sprintf(member, "ask bob@co")), chunk(0, fmt.Sprintf(member, "rp.example now")), stop(0))
		f(name+" and no end", chunk(0, fmt.Sprintf(member, "ask bob@co")), chunk(0, fmt.Sprintf(member, "rp.example")))
	}
	two("content", `"content":"%s"`)
	two("escaped", `"content":"%s\u002e"`)
	two("refusal", `"refusal":"%s"`)
	two("reasoning", `"reasoning_content":"%s"`)
	two("beside another text", `"content":"x","reasoning":"%s"`)
	two("unknown field", `"thoughts":{"deep":["%s"]}`)
	two("arguments", `"tool_calls":[{"index":0,"function":{"name":"f","arguments":"%s"}}]`)
	two("arguments of the second call", `"tool_calls":[{"index":0,"function":{"arguments":"x"}},{"index":1,"function":{"arguments":"%s"}}]`)
	two("legacy arguments", `"function_call":{"name":"f","arguments":"%s"}`)
	two("transcript", `"audio":{"transcript":"%s"}`)
	two("parts", `"content":[{"type":"text","text":"%s"}]`)
	f("a name again and again", chunk(0, `"tool_calls":[{"index":0,"id":"call_1","function":{"name":"mail","arguments":"{"}}]`), chunk(0, `"tool_calls":[{"index":0,"id":"call_1","function":{"name":"mail","arguments":"}"}}]`), stop(0))
	f("parts, numbered", chunk(0, `"content":[{"index":0,"type":"text","text":"ask bob@co"}]`), chunk(0, `"content":[{"index":1,"type":"text","text":"rp.example now"}]`), stop(0))
	f("a string, then parts", chunk(0, `"content":"ask bob@co"`), chunk(0, `"content":[{"type":"text","text":"rp.example now"}]`), stop(0))
	f("a part's type", chunk(0, `"content":[{"type":"bob@corp.example","text":"x"}]`), stop(0))
	f("annotations", chunk(0, `"annotations":[{"type":"url_citation","url_citation":{"title":"bob@corp.example"}}]`), stop(0))
	f("an escape across events of arguments", chunk(0, `"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"to\":\"bob\\u00"}}]`), chunk(0, `"tool_calls":[{"index":0,"function":{"arguments":"40corp.example\"}"}}]`), stop(0))
	f("choices interleaved", chunk(0, `"content":"bob@"`), chunk(1, `"content":"bob@co"`), chunk(0, `"content":"corp.example"`), chunk(1, `"content":"rp.example"`), stop(1), stop(0))
	f("choices in one event", `{"choices":[{"index":1,"delta":{"content":"bob@"}},{"index":0,"delta":{"content":"bob@"}},{"index":1,"delta":{"content":"corp.example"}}]}`, `{"choices":[{"index":0,"delta":{"content":"corp.example"}}]}`)
	f("choices without an index", `{"choices":[{"delta":{"content":"bob@"}}]}`, `{"choices":[{"delta":{"content":"corp.example"}}]}`)
	f("the end in the same event", chunk(0, `"content":"bob@"`), `{"choices":[{"index":0,"delta":{"content":"corp.example"},"finish_reason":"stop"}]}`)
	f("empty texts between", chunk(0, `"content":"bob@"`), chunk(0, `"content":""`), chunk(0, `"content":null`), chunk(0, `"role":"assistant"`), chunk(0, `"content":"corp.example"`), stop(0))
	f("a message in an event", `{"choices":[{"index":0,"message":{"content":"bob@"}}]}`, `{"choices":[{"index":0,"message":{"content":"corp.example"}}]}`)
	f("log probabilities", `{"choices":[{"index":0,"delta":{"content":"bob@"},"logprobs":{"content":[{"token":"bob@","bytes":[98,111,98,64]}]},"token_ids":[98,111,98]}]}`, `{"choices":[{"index":0,"delta":{"content":"corp.example"},"logprobs":{"content":[{"token":"corp.example"}]}}]}`, stop(0))
	f("late log probabilities", chunk(0, `"content":"bob@corp.example x"`), `{"choices":[{"index":0,"delta":{},"logprobs":{"content":[{"token":"bob@"},{"token":"corp.example"}]}}]}`, stop(0))
	f("log probabilities with the end", chunk(0, `"content":"bob@corp.example"`), `{"choices":[{"index":0,"delta":{},"finish_reason":"stop","logprobs":{"content":[{"token":"bob@"},{"token":"corp.example"}]}}]}`)
	f("log probabilities first", `{"choices":[{"index":0,"delta":{"content":""},"logprobs":{"content":[{"token":"bob@"},{"token":"corp.example"}]}}]}`, chunk(0, `"content":"bob@corp.example x"`), stop(0))
	f("outside the choices", `{"choices":[],"note":"bob@corp.example"}`, stop(0))
	f("usage's event", stop(0), `{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1},"note":"bob@corp.example"}`)
	f("keys", chunk(0, `"x":{"bob@corp.example":1}`), stop(0))
	f("a tool's name and id", chunk(0, `"tool_calls":[{"index":0,"id":"bob@corp.example","function":{"name":"bob@corp.example","arguments":""}}]`), stop(0))
	f("two tools, one index", chunk(0, `"tool_calls":[{"index":0,"function":{"name":"f","arguments":"bob@"}}]`), chunk(0, `"tool_calls":[{"function":{"arguments":"corp.example"}}]`), stop(0))
}

// An answer in a form that was not asked for is a failure, not something to pass on unread.
func TestAttackWrongForms(t *testing.T) {
	alone(t)
	s := besiege(t)
	f := func(name, body string, step modelserver.Step, status int, code string) {
		t.Run(name, func(t *testing.T) {
			s.m.Script(step)
			r := s.Post("red", chatPath, body, "Cache-Control", "no-store")
			if leak := shows(r.Body, "bob@", "corp.example", "SECRET"); r.Status != status || !strings.Contains(r.Body, `"`+code+`"`) || strings.Contains(r.Body, "[DONE]") || leak != "" {
				t.Errorf("%d %s, want %d %s", r.Status, r.Body, status, code)
			}
		})
	}
	whole, stream := ask("hi"), streamed(ask("hi"))
	said := answer(`"content":"bob@corp.example"`)
	f("JSON for a stream", stream, said, 502, "upstream_error")
	f("a stream for JSON", whole, modelserver.Stream("bob@", "corp.example"), 502, "upstream_error")
	f("a stream that says it is JSON", whole, modelserver.Status(200, "data: "+chunk(0, `"content":"bob@corp.example"`)+"\n\ndata: [DONE]\n\n"), 502, "upstream_error")
	f("JSON that says it is a stream", stream, modelserver.Status(200, `{"choices":[{"message":{"content":"bob@corp.example"}}]}`, "Content-Type", "text/event-stream"), 502, "upstream_error")
	f("HTML", whole, modelserver.Status(200, "<b>bob@corp.example</b>", "Content-Type", "text/html"), 502, "upstream_error")
	f("an error under 200", whole, modelserver.JSON(`{"error":{"message":"SECRET bob@corp.example"}}`), 502, "upstream_error")
	f("an error and an answer", whole, modelserver.JSON(`{"choices":[{"message":{"content":"x"}}],"error":{"message":"SECRET bob@corp.example"}}`), 502, "upstream_error")
	f("an error as the first event", stream, modelserver.Events(0, `{"error":{"message":"SECRET bob@corp.example"}}`, "[DONE]"), 502, "upstream_error")
	f("an error in the stream", stream, modelserver.Events(0, chunk(0, `"content":"hello there "`), `{"error":{"message":"SECRET bob@corp.example"}}`, "[DONE]"), 200, "stream_interrupted")
	f("an event that is no object", stream, modelserver.Events(0, chunk(0, `"content":"hello there "`), `"bob@corp.example"`, "[DONE]"), 200, "stream_interrupted")
	f("an event that is no JSON", stream, modelserver.Events(0, chunk(0, `"content":"hello there "`), `bob@corp.example`, "[DONE]"), 200, "stream_interrupted")
	f("choices twice", whole, modelserver.JSON(`{"choices":[],"choi\u0063es":[{"message":{"content":"bob@corp.example"}}]}`), 502, "upstream_error")
	f("content twice in an event", stream, modelserver.Events(0, chunk(0, `"content":"hello there "`), chunk(0, `"content":"x","c\u006fntent":"bob@corp.example"`), "[DONE]"), 200, "stream_interrupted")
	f("text after the end", stream, modelserver.Events(0, chunk(0, `"content":"hello bob"`), stop(0), chunk(0, `"content":"@corp.example"`), "[DONE]"), 200, "upstream_error")
	f("nothing", whole, modelserver.JSON(""), 502, "upstream_error")
	f("no choices", whole, modelserver.JSON(`{"data":"bob@corp.example"}`), 502, "upstream_error")
	f("deep", whole, modelserver.JSON(`{"choices":[`+strings.Repeat("[", 1<<20)+strings.Repeat("]", 1<<20)+"]}"), 502, "upstream_error")
}

// A name is passed on at once, for callers need it before what follows: a value split over its pieces ends the stream.
func TestAttackNamesInPieces(t *testing.T) {
	alone(t)
	s := besiege(t)
	for _, member := range []string{`"tool_calls":[{"index":0,"function":{"name":"%s"}}]`, `"tool_calls":[{"index":0,"id":"%s"}]`, `"function_call":{"name":"%s"}`, `"tool_calls":[{"index":0,"custom":{"name":"%s"}}]`} {
		s.m.Script(modelserver.Events(0, chunk(0, fmt.Sprintf(member, "bob@co")), chunk(0, fmt.Sprintf(member, "rp.example")), stop(0), "[DONE]"))
		r := s.Post("red", chatPath, streamed(ask("hi")), "Cache-Control", "no-store")
		if leak := shows(r.Body, "rp.example"); !strings.Contains(r.Body, `"upstream_error"`) || strings.Contains(r.Body, "[DONE]") || leak != "" {
			t.Errorf("%s: %s", member, r.Body)
		}
	}
}

// A model server that compresses although it was asked not to.
func TestAttackCompressedAnswers(t *testing.T) {
	alone(t)
	s := besiege(t)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, modelserver.Chat("m", made)+strings.Repeat(" ", 8<<20)) // and a bomb at that
	_ = z.Close()
	zip := func(w http.ResponseWriter, r *http.Request, _ []byte) {
		if got := r.Header.Get("Accept-Encoding"); got != "" && got != "identity" {
			t.Errorf("the model server is offered %q", got)
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b.Bytes())
	}
	f := func(body string) {
		s.m.Script(zip)
		if r := s.Post("red", chatPath, body, "Accept-Encoding", "gzip, br"); r.Code() != "upstream_error" || r.Header.Get("Content-Encoding") != "" {
			t.Errorf("%d %v %.200q", r.Status, r.Header, r.Body)
		}
	}
	f(ask("hi"))
	f(streamed(ask("hi")))
}

// Other operations' answers are filtered too.
func TestAttackOtherAnswers(t *testing.T) {
	s := besiege(t)
	f := func(name, path, body string, step modelserver.Step) {
		t.Run(name, func(t *testing.T) {
			s.m.Script(step)
			r := s.Post("red", path, body)
			if leak := shows(r.Body, "bob@", "corp.example"); r.Status != 200 || leak != "" {
				t.Errorf("%d %s", r.Status, r.Body)
			}
		})
	}
	text := func(t string) string { return `{"choices":[{"index":0,"text":"` + t + `","finish_reason":null}]}` }
	f("completion", "/v1/completions", `{"model":"model-a","prompt":"hi"}`, modelserver.JSON(text("ask bob@corp.example")))
	f("completion's log probabilities", "/v1/completions", `{"model":"model-a","prompt":"hi","logprobs":1}`, modelserver.JSON(`{"choices":[{"text":"bob@corp.example","logprobs":{"tokens":["bob@","corp.example"],"top_logprobs":[{"bob@":-1}],"text_offset":[0]}}]}`))
	f("completion's stream", "/v1/completions", `{"model":"model-a","prompt":"hi","stream":true}`, modelserver.Events(0, text("ask bob@"), text("corp.example"), "[DONE]"))
	f("inference", "/inference", `{"inputs":"hi"}`, answer(`"content":"ask bob@corp.example"`))
	f("inference's stream", "/inference", `{"inputs":"hi","stream":true}`, modelserver.Stream("ask bob@", "corp.example"))
}
