package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

var formats = []wire.Format{Chat, Completions, Embeddings}

// What is accepted leaves as encoding/json reads it, all of its text was shown to filters, and what an edit makes of it
// is accepted again.
func FuzzRequest(f *testing.F) {
	for _, body := range nativeRequests {
		f.Add(byte(0), []byte(body))
	}
	for i, body := range []string{
		`{"messages":[{"role":"user","content":[{"type":"text","text":"a b"},{"type":"image_url","image_url":{"url":"data:"}},"c"]}]}`,
		`{"prompt":["a",[1]],"suffix":"z","logit_bias":{"5":1,"a b":2}}`,
		`{"input":["a b"],"encoding_format":"base64","meta data":{"k":["v w"]}}`,
		`{"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"a b","function":{"name":"n","arguments":"{}"}}]}],"stream_options":{"x":1},"stream":true}`,
	} {
		f.Add(byte(i), []byte(body))
	}
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		format := formats[int(which)%len(formats)]
		r, err := format.Request(body, strictjson.Limits{MaxBytes: 1 << 16})
		if err != nil {
			if fault := (*wire.Fault)(nil); !errors.As(err, &fault) {
				t.Fatalf("not a fault: %v", err)
			}
			return
		}
		defer r.Doc.Release()
		var want map[string]any
		decode(t, body, &want)
		shown(t, r, want)
		passes(t, format, r, want)
		edited(t, format, r)
	})
}

func decode(t *testing.T, body []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("encoding/json refuses %s: %v", body, err)
	}
}

// shown sees to it that every string with a space in it, which no identifier or enumeration has, is part of a segment.
func shown(t *testing.T, r *wire.Request, body map[string]any) {
	t.Helper()
	if r.Opaque != nil {
		return
	}
	var all strings.Builder
	for _, s := range r.Segments {
		all.Write(s.Text.Bytes())
		all.WriteByte(0)
	}
	var see func(v any)
	see = func(v any) {
		switch v := v.(type) {
		case string:
			if strings.Contains(v, " ") && !strings.Contains(all.String(), v) {
				t.Errorf("%q was not shown", v)
			}
		case []any:
			for _, e := range v {
				see(e)
			}
		case map[string]any:
			for k, e := range v {
				see(k)
				see(e)
			}
		}
	}
	for k, v := range body {
		see(k)
		if k != "model" {
			see(v)
		}
	}
}

func passes(t *testing.T, format wire.Format, r *wire.Request, want map[string]any) {
	t.Helper()
	var got map[string]any
	decode(t, format.Render(nil, r, wire.Rendering{Model: "m"}), &got)
	want["model"] = "m"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// edited puts a mark before every text and reads the result: as many texts, each with its mark.
func edited(t *testing.T, format wire.Format, r *wire.Request) {
	t.Helper()
	const mark = "Ω "
	for _, s := range r.Segments {
		if s.Key {
			continue // two keys may become one
		}
		if err := s.Text.Edit([]strictjson.Edit{{With: []byte(mark)}}); err != nil {
			t.Fatal(err)
		}
	}
	body := format.Render(nil, r, wire.Rendering{Model: "m", Usage: true})
	again, err := format.Request(body, strictjson.Limits{MaxDepth: 256})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	defer again.Doc.Release()
	if len(again.Segments) != len(r.Segments) || again.Usage != r.Stream {
		t.Fatalf("%s: %d segments, want %d", body, len(again.Segments), len(r.Segments))
	}
	for i, s := range again.Segments {
		if !s.Key && !bytes.HasPrefix(s.Text.Bytes(), []byte(mark)) {
			t.Errorf("%s: segment %d lost its edit: %q", body, i, s.Text.Bytes())
		}
	}
}

// What is read of an event is written as JSON again; edits of all its texts show; carried text comes back.
func FuzzEvent(f *testing.F) {
	for _, transcript := range transcripts(f) {
		for line := range bytes.Lines(transcript) {
			if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
				f.Add(byte(len(data)), bytes.TrimSpace(data))
			}
		}
	}
	f.Add(byte(0), []byte(`{"choices":[{"index":0,"delta":{"a.b":{"0":["x"]},"content":NaN}}]}`))
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		format := formats[int(which)%2]
		ev, err := format.Event(data)
		if err != nil || ev.Done {
			return
		}
		for i, p := range ev.Pieces {
			if p.Lane.Choice >= 0 && !p.Whole {
				carried(t, format, ev, p.Lane)
			}
			ev.SetText(i, []byte("Ω\x00\""))
		}
		out := ev.Doc.Append(nil)
		if !json.Valid(out) {
			t.Fatalf("not JSON: %q", out)
		}
		again, err := format.Event(out)
		if err != nil || len(again.Pieces) != len(ev.Pieces) || again.Error != ev.Error {
			t.Fatalf("%s: %v, %d pieces, want %d", out, err, len(again.Pieces), len(ev.Pieces))
		}
		for i, p := range again.Pieces {
			if p.Lane != ev.Pieces[i].Lane || string(p.Node.Bytes()) != "Ω\x00\"" {
				t.Errorf("piece %d: %v %q", i, p.Lane, p.Node.Bytes())
			}
		}
	})
}

func carried(t *testing.T, format wire.Format, like *wire.Event, lane wire.Lane) {
	t.Helper()
	made, err := format.Carry(like, lane, []byte("held"))
	if err != nil {
		t.Fatalf("%v: %v", lane, err)
	}
	if len(made.Pieces) != 1 || string(made.Pieces[0].Node.Bytes()) != "held" || made.Pieces[0].Lane.Choice != lane.Choice {
		t.Fatalf("%v: carried as %s", lane, made.Doc.Append(nil))
	}
}

// Joining what an answer was split into keeps its texts.
func FuzzJoinSplit(f *testing.F) {
	files, _ := filepath.Glob("testdata/streams/*.json")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(0), b)
		f.Add(byte(1), b)
	}
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		format := formats[int(which)%2]
		a, err := format.Answer(body)
		if err != nil || odd(a) {
			return
		}
		again(t, format, a)
	})
}

// odd tells whether an answer has what no server sends and no stream can say: choices of one index, or in another order
// than their indexes', elements that number themselves otherwise than they stand, usage that is none.
func odd(a *wire.Answer) bool {
	odd, next := false, 0
	root := a.Doc.Root()
	var see func(v strictjson.Value)
	see = func(v strictjson.Value) {
		v.Elements(func(_ int, e strictjson.Value) bool {
			if e.Get("index").Kind() != strictjson.Invalid {
				odd = true
			}
			see(e)
			return true
		})
		v.Members(func(key string, m strictjson.Value) bool {
			odd = odd || key == "delta" || key == "choices" || key == "index" || key == ""
			see(m)
			return true
		})
	}
	root.Get("choices").Elements(func(i int, c strictjson.Value) bool {
		odd = odd || c.Kind() != strictjson.Object || walk.Position(c, i) != next
		next++
		if k := c.Get("message").Kind(); k != strictjson.Object && k != strictjson.Invalid {
			odd = true
		}
		c.Members(func(key string, m strictjson.Value) bool {
			if key != "index" {
				odd = odd || key == "delta"
				see(m)
			}
			return true
		})
		return true
	})
	for _, key := range []string{"model", "error", "object"} {
		k := root.Get(key).Kind()
		odd = odd || k != strictjson.String && k != strictjson.Invalid
	}
	return odd || string(root.Get("object").Bytes()) == "error"
}

func transcripts(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/streams/*.sse")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var out [][]byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}
