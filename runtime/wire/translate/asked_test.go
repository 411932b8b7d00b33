package translate_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire/translate"
)

// asked sends a request and gives what becomes of it and of the replies.
func asked(t *testing.T, from, to, body string, replies ...string) (bodies, answer string, err error) {
	t.Helper()
	p := between(t, from, to)
	all, a, err := p.Requests([]byte(body), translate.Options{})
	if err != nil {
		return "", "", err
	}
	var raw [][]byte
	for _, r := range replies {
		raw = append(raw, []byte(r))
	}
	for _, b := range all {
		bodies += string(b) + "\n"
	}
	out, err := p.Answer(nil, a, raw...)
	return bodies, string(out), err
}

// Vectors come in the encoding that was asked for, bit by bit the floats that the numbers are, with the model's name.
func TestVectorsInBase64(t *testing.T) {
	want := []float32{0.1, -1e-7, 3, math.MaxFloat32}
	reply := fmt.Sprintf(`{"embeddings":[{"values":[0.1,-1e-7,3,%v]}],"usageMetadata":{"promptTokenCount":2}}`, math.MaxFloat32)
	_, answer, err := asked(t, "embeddings", "geminivectors", `{"model":"g","input":"x","encoding_format":"base64"}`, reply)
	var got struct {
		Model string
		Data  []struct{ Embedding []byte }
	}
	if err != nil || json.Unmarshal([]byte(answer), &got) != nil || got.Model != "g" || len(got.Data) != 1 || len(got.Data[0].Embedding) != 4*len(want) {
		t.Fatalf("%v: %s", err, answer)
	}
	for i, f := range want {
		if bits := binary.LittleEndian.Uint32(got.Data[0].Embedding[4*i:]); bits != math.Float32bits(f) {
			t.Errorf("number %d is %v, want %v", i, math.Float32frombits(bits), f)
		}
	}
	if !strings.Contains(answer, base64.StdEncoding.EncodeToString(got.Data[0].Embedding)) {
		t.Errorf("not in standard base64: %s", answer)
	}
}

// Texts that a model server takes a few at a time leave in several requests, whose answers are one; each text has its vector.
func TestVectorsInSeveralRequests(t *testing.T) {
	titan := `{"model":"amazon.titan-embed-text-v2:0","input":["a","b"]}`
	bodies, answer, err := asked(t, "embeddings", "bedrockvectors", titan, `{"embedding":[1],"inputTextTokenCount":3}`, `{"embedding":[2],"inputTextTokenCount":4}`)
	want := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]},{"object":"embedding","index":1,"embedding":[2]}],` +
		`"model":"amazon.titan-embed-text-v2:0","usage":{"prompt_tokens":7,"total_tokens":7}}`
	if err != nil || answer != want || bodies != `{"inputText":"a"}`+"\n"+`{"inputText":"b"}`+"\n" {
		t.Errorf("%v: %s from %s", err, answer, bodies)
	}
	if _, answer, err := asked(t, "embeddings", "bedrockvectors", titan, `{"embedding":[1]}`); err == nil {
		t.Errorf("a vector is missing: %s", answer)
	}
	if _, answer, err := asked(t, "embeddings", "geminivectors", titan, `{"embeddings":[{"values":[1]},{"values":[1]},{"values":[1]}]}`); err == nil {
		t.Errorf("there is a vector too many: %s", answer)
	}
	cohere := `{"model":"cohere.embed-english-v3","input":[` + strings.Repeat(`"x",`, 96) + `"last"]}`
	for _, reply := range []string{`{"embeddings":[%s]}`, `{"embeddings":{"float":[%s]},"response_type":"embeddings_by_type"}`} {
		bodies, answer, err = asked(t, "embeddings", "bedrockvectors", cohere, fmt.Sprintf(reply, strings.Repeat("[0],", 95)+"[0]"), fmt.Sprintf(reply, "[7]"))
		if err != nil || strings.Count(bodies, "\n") != 2 || !strings.Contains(answer, `"index":96,"embedding":[7]`) || !strings.Contains(bodies, `{"texts":["last"],"input_type":"search_document"}`) {
			t.Errorf("%v: %s from %s", err, answer, bodies)
		}
	}
	_, _, err = asked(t, "embeddings", "vertexvectors", `{"model":"m","input":[`+strings.Repeat(`"x",`, 128)+`"x"]}`)
	if err == nil || !strings.Contains(err.Error(), "input") {
		t.Errorf("more requests than there may be: %v", err)
	}
}

// Whoever asked for some of the places, and for the documents in them, gets those; and an answer that places what was not
// there is none.
func TestPlaces(t *testing.T) {
	f := func(body, reply, want string) {
		t.Helper()
		_, answer, err := asked(t, "rerank", "ranking", body, reply)
		if err != nil {
			answer = err.Error()
		}
		if answer != want {
			t.Errorf("%s: got %s\nwant %s", body, answer, want)
		}
	}
	const ask, rankings = `{"model":"m","query":"q","documents":["a","b"]%s}`, `{"rankings":[{"index":0,"logit":-40.5},{"index":1,"logit":0}]}`
	f(fmt.Sprintf(ask, ""), rankings, `{"model":"m","results":[{"index":1,"relevance_score":0.5},{"index":0,"relevance_score":2.57675710915e-18}]}`)
	f(fmt.Sprintf(ask, `,"top_n":1,"return_documents":true`), rankings, `{"model":"m","results":[{"index":1,"relevance_score":0.5,"document":{"text":"b"}}]}`)
	const wrong = "the answer has not one place for each document"
	f(fmt.Sprintf(ask, `,"return_documents":true`), `{"rankings":[{"index":0,"logit":1},{"index":2,"logit":1}]}`, wrong)
	f(fmt.Sprintf(ask, ""), `{"rankings":[{"index":0,"logit":1}]}`, wrong)
	f(fmt.Sprintf(ask, ""), `{"rankings":{}}`, wrong)
}

// An API that has to have numbers is given the gateway's estimate where the model server says none, and is told so.
func TestEstimates(t *testing.T) {
	const message = `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"twelve bytes"}]}`
	const silent = `{"choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]%s}`
	const estimate = `"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2,"estimated":true}`
	f := func(answer string, err error, want string) {
		t.Helper()
		if err != nil || !strings.Contains(answer, want) {
			t.Errorf("%v: %s is not in %s", err, want, answer)
		}
	}
	_, answer, err := asked(t, "messages", "chat", message, fmt.Sprintf(silent, ""))
	f(answer, err, estimate)
	_, answer, err = asked(t, "messages", "chat", message, fmt.Sprintf(silent, `,"usage":{"prompt_tokens":0,"completion_tokens":9}`))
	f(answer, err, `"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":9}`)
	_, answer, err = asked(t, "embeddings", "geminivectors", `{"model":"g","input":["twelve bytes","more"]}`, `{"embeddings":[{"values":[1]},{"values":[2]}]}`)
	f(answer, err, `"usage":{"prompt_tokens":4,"total_tokens":4,"estimated":true}`)

	p := between(t, "messages", "chat")
	_, a, err := p.Requests([]byte(message), translate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, events := p.Stream(a), ""
	for _, e := range []string{`{"choices":[{"index":0,"delta":{"content":"hel"}}]}`, `{"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}`, "[DONE]"} {
		if err := s.Event([]byte(e)); err != nil {
			t.Fatal(err)
		}
		for data, ok := s.Next(); ok; data, ok = s.Next() {
			events += string(data) + "\n"
		}
	}
	f(events, nil, `"model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0,"estimated":true}`)
	f(events, nil, estimate)
}
