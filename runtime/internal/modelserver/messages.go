package modelserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Messages answers as the Anthropic API does: a message of text, or its words streamed where a stream is asked for, or a
// count of usage tokens. It takes no request without the API's version.
func Messages(text string) Step {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		var req struct {
			Model  string
			Stream bool
		}
		_ = json.Unmarshal(body, &req)
		switch {
		case r.Header.Get("Anthropic-Version") == "":
			Status(http.StatusBadRequest, MessagesError("invalid_request_error", "anthropic-version: header is required"))(w, r, body)
		case strings.HasSuffix(r.URL.Path, "/count_tokens"):
			JSON(`{"input_tokens":14}`)(w, r, body)
		case req.Stream:
			NamedEvents(MessageEvents(strings.SplitAfter(text, " ")...)...)(w, r, body)
		default:
			JSON(Message(text))(w, r, body)
		}
	}
}

// MessagesError is the body of an error of the Anthropic API.
func MessagesError(kind, message string) string {
	return fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":%q},"request_id":"req_SECRET"}`, kind, message)
}

// Message is a message of one text block.
func Message(text string) string {
	return `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":` + quoted(text) + `}],` +
		`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"cache_read_input_tokens":5,"output_tokens":7}}`
}

// MessageEvents are the data of the events of a message whose one text block comes in pieces.
func MessageEvents(pieces ...string) []string {
	out := []string{MessageStart, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"ping"}`}
	for _, p := range pieces {
		out = append(out, TextDelta(0, p))
	}
	return append(out, `{"type":"content_block_stop","index":0}`, MessageEnd, `{"type":"message_stop"}`)
}

// MessageStart and MessageEnd are the data of the events around the content blocks.
const (
	MessageStart = `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],` +
		`"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_read_input_tokens":5,"output_tokens":1}}}`
	MessageEnd = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}`
)

// TextDelta is the data of an event that adds text to a block.
func TextDelta(index int, text string) string {
	return fmt.Sprintf(`{"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":%s}}`, index, quoted(text))
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always can be
	return string(b)
}

// NamedEvents streams events under the names that their types are, and ends.
func NamedEvents(data ...string) Step {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		rc := http.NewResponseController(w)
		for _, d := range data {
			var ev struct{ Type string }
			_ = json.Unmarshal([]byte(d), &ev)
			_, _ = io.WriteString(w, "event: "+ev.Type+"\ndata: "+d+"\n\n")
			_ = rc.Flush()
		}
	}
}
