package filter

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseVectors(t *testing.T) {
	f := func(file, want string) {
		t.Helper()
		vs, err := ParseVectors([]byte(file))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", file, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", file, err, want)
		case want != "" && vs != nil:
			t.Errorf("%s: vectors beside an error", file)
		}
	}
	f(`[]`, "")
	f(`[{"name":"a","text":"x"},{"name":"b","config":{"k":1},"on":"response","role":"tool","arguments":true,"facts":{"principal.tenant":"red"},"text":"x","want":"x","labels":{"a":true,"b":2,"c":"w"}}]`, "")
	f(`[{"name":"a","config":"{}","on":"request","body":{"m":[]},"set":{"stop":["x"]},"messages":[{"where":"first","role":"system","text":"t"}]},{"name":"b","on":"response","body":null,"reject":"no"}]`, "")

	f(``, "it ends too early")
	f(`{}`, "no JSON list of objects: want a list, not a JSON object")
	f(`[] x`, "something follows")
	f(`[1]`, `vector 1 (""): want an object`)
	f(`[{"name":"a","text":"x","wants":"x"}]`, `vector 1 ("a"): wants: unknown key; there are name, config`)
	f(`[{"name":"a","text":"x"},{"Name":"b","text":"x"}]`, `vector 2 (""): Name: unknown key`)
	f(`[{"name":"a","text":"x","text":"y"}]`, "text: the key comes twice")
	f(`[{"name":"a","text":"x"},{"name":"a","text":"y"}]`, `vector 2 ("a"): name: vector 1 has it too`)
	f(`[{"text":"x"}]`, "name: it has none")
	f(`[{"name":1,"text":"x"}]`, "name: want a string, not a JSON number")
	f(`[{"name":"a\nb","text":"x"}]`, "name: want one line")
	f(`[{"name":"a","text":"x","want":null}]`, "want: it is null: leave the key out")
	f(`[{"name":"a"}]`, "text: want either text or body")
	f(`[{"name":"a","text":"x","body":{}}]`, "text: want either text or body")
	f(`[{"name":"a","text":""}]`, "text: it is empty")
	f(`[{"name":"a","text":"`+strings.Repeat("x", maxVectorText+1)+`"}]`, "over the limit of 16384")
	f(`[{"name":"a","text":"x","config":3}]`, "config: want an object, or a string")
	f(`[{"name":"a","text":"x","on":"answer"}]`, `on: want "request" or "response", not "answer"`)
	f(`[{"name":"a","text":"x","role":"developer"}]`, "role: want one of other, system, user, assistant, tool, definition")
	f(`[{"name":"a","text":"x","arguments":"yes"}]`, "arguments: want true or false, not a JSON string")
	f(`[{"name":"a","text":"x","facts":{"tenant":"x"}}]`, "facts: tenant is no fact")
	f(`[{"name":"a","text":"x","facts":{"model":1}}]`, "facts: model: want a string")
	f(`[{"name":"a","text":"x","labels":{"n":1.5}}]`, "labels: n: want true, false, an integer")
	f(`[{"name":"a","text":"x","labels":{"n":[]}}]`, "labels: n: want true, false, an integer")
	f(`[{"name":"a","text":"x","labels":{"n":null}}]`, "labels: n: want true, false, an integer")
	f(`[{"name":"a","text":"x","reject":"No!"}]`, "reject: a code is")
	f(`[{"name":"a","text":"x","want":"x","reject":"no"}]`, "want: there is no text to compare")
	f(`[{"name":"a","text":"x","set":{}}]`, "set, messages: only with a body")
	f(`[{"name":"a","body":{},"want":"x"}]`, "only with a text")
	f(`[{"name":"a","body":{},"on":"response","set":{}}]`, "only on requests")
	f(`[{"name":"a","body":{},"messages":[{"where":"middle","role":"user","text":""}]}]`, "message 1: where: want")
	f(`[{"name":"a","body":{},"messages":[{"where":"last","role":"tool","text":""}]}]`, "message 1: role: want one of system, user, assistant")
	f(`[{"name":"a","body":{},"messages":[{"what":"last"}]}]`, "message 1: what: unknown key")
	f(`[{"name":"a","text":"x","x":1},{"name":"b"}]`, "vector 2 (\"b\")") // all of them, not only the first
}

// FuzzParseVectors: no file makes it panic, and what it takes can be run.
func FuzzParseVectors(f *testing.F) {
	f.Add([]byte(`[{"name":"a","text":"ana@x.org","want":"<email:ana@x.org>"}]`))
	f.Add([]byte(`[{"name":"a","body":[],"set":{"a":1e9},"labels":{"x":"y"},"reject":"no"}]`))
	f.Fuzz(func(t *testing.T, file []byte) {
		vs, err := ParseVectors(file)
		for i := range vs {
			if v := &vs[i]; err != nil || v.Name == "" || (v.Text == nil) == (v.Body == nil) {
				t.Errorf("%q: %+v, %v", file, v, err)
			}
		}
	})
}

// selfTest runs vectors and gives what differed, a line each, with the vector's name.
func selfTest(t *testing.T, s Spec, file string) (TestReport, string) {
	t.Helper()
	vs, err := ParseVectors([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	r, err := engine(t, Options{}).SelfTest(context.Background(), s, vs)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range r.Vectors {
		for j := range r.Vectors[i].Differences {
			b.WriteString(r.Vectors[i].Name + " on " + r.Vectors[i].On.String() + ": " + r.Vectors[i].Differences[j].String() + "\n")
		}
	}
	return r, b.String()
}

func TestSelfTest(t *testing.T) {
	f := func(s Spec, vector string, want ...string) {
		t.Helper()
		r, got := selfTest(t, s, `[{"name":"v",`+vector+`}]`)
		if len(want) == 0 && (got != "" || r.Err() != nil) {
			t.Errorf("%s: %s", vector, got)
		}
		for _, w := range want {
			if !strings.Contains(got, w) || r.Err() == nil || !strings.Contains(r.Err().Error(), `vector 1 ("v")`) {
				t.Errorf("%s: got %s %v, want %q", vector, got, r.Err(), w)
			}
		}
	}
	w, h := Spec{Name: "words", Module: guest(t, "words")}, Spec{Name: "hostile", Module: guest(t, "hostile")}
	f(w, `"text":"mail ana@x.org, pin 1234 << a >> ~ %","want":"mail <email:ana@x.org>, pin <pin:1234> <block:<< a >>> TILDE %","labels":{"percent":true}`)
	f(w, `"arguments":true,"text":"{\"to\":\"ana@x.org\"}","want":"{\"to\":\"<email:ana@x.org>\"}"`)
	f(w, `"text":"a !reject! b","reject":"unwanted"`)
	f(w, `"text":"über ana@x.org","want":"über ana@x.org"`, `v on requests: whole: text: want "über ana@x.org", got "über <email:ana@x.org>"`, "v on answers: whole")
	f(w, `"text":"x","labels":{"percent":true}`, `labels: want "{\"percent\":true}", got "{}"`)
	f(w, `"text":"% x","labels":{}`, `labels: want "{}"`)
	f(w, `"text":"x","reject":"unwanted"`, `reject: want "unwanted", got ""`)
	f(w, `"text":"a !reject! b","want":"x"`, `reject: want "", got "unwanted"`)
	f(w, `"config":{"a":1},"text":"x"`, "load: want", "it takes no configuration")
	f(w, `"body":{}`, "hook: want", "request.text, answer.text")
	f(h, `"text":"!t"`, "failed", "it trapped")
	f(h, `"text":"!s"`, "failed", "its budget of fuel is spent")
	f(h, `"config":"!xx","text":"x"`, "no such setting")
	f(h, `"text":"!Gxx"`, "does not grant")
	f(h, `"facts":{"principal.tenant":"red"},"text":"!Gxx","want":"!Gxx"`)
	f(h, `"body":{"m":"!1!2!3"},"set":{"temperature":0.50},"messages":[{"where":"first","role":"system","text":"Be brief, ana@example.com."},{"where":"last","role":"user","text":"Thanks."}]`)
	f(h, `"on":"request","body":"!3","set":{},"messages":[{"where":"last","role":"user","text":"x"}]`, "set: want", "messages: want")
	f(h, `"on":"response","body":"!9","reject":"bad_answer"`)
	f(h, `"text":"!M and more","labels":{}`) // what it remembers of a run is gone in the next
}

// A filter that decides by where a chunk ends passes whole and fails when cut.
func TestSelfTestSplits(t *testing.T) {
	r, got := selfTest(t, Spec{Name: "hostile", Module: guest(t, "hostile")}, `[{"name":"v","on":"request","text":"x!q"}]`)
	if !strings.Contains(got, "v on requests: cut at byte 1: reject") || strings.Contains(got, "whole") || r.Vectors[0].Runs != 4 {
		t.Errorf("%d runs: %s", r.Vectors[0].Runs, got)
	}
}

// Two runs of one vector cost the same fuel: a busy machine changes no result.
func TestSelfTestIsDeterministic(t *testing.T) {
	var units [2]int64
	for i := range units {
		r, got := selfTest(t, Spec{Name: "words", Module: guest(t, "words")}, `[{"name":"v","text":"mail ana@x.org, pin 1234 << a >> ~"}]`)
		for j := range r.Vectors {
			units[i] += r.Vectors[j].Units
		}
		if got != "" || r.Vectors[0].Calls == 0 || r.Vectors[0].Memory == 0 {
			t.Errorf("%s %+v", got, r.Vectors[0])
		}
	}
	if units[0] == 0 || units[0] != units[1] {
		t.Errorf("units of fuel: %d", units)
	}
}

func TestSelfTestCannotRun(t *testing.T) {
	f := func(s Spec, want string) {
		t.Helper()
		if _, err := engine(t, Options{}).SelfTest(context.Background(), s, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(Spec{Name: "x", Module: []byte("text")}, `filter "x": abi: the file is not WebAssembly`)
	f(Spec{Name: "Bad Name"}, "a name is")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	vs, _ := ParseVectors([]byte(`[{"name":"a","text":"x"}]`))
	if _, err := engine(t, Options{}).SelfTest(ctx, Spec{Name: "words", Module: guest(t, "words")}, vs); err == nil {
		t.Error("a cancelled self-test has no error")
	}
}

// The reset check sees a byte and a global that a reset left behind.
func TestUnclean(t *testing.T) {
	w := load(t, words(t))
	one(t, w)
	if got := w.pool.unclean(); got != "" {
		t.Fatal(got)
	}
	in := w.pool.idle[0]
	if len(in.globals) == 0 {
		t.Fatal("the guest has no mutable global")
	}
	in.globals[0].Set(in.globals[0].Get() + 1)
	if got := w.pool.unclean(); got != "another value in mutable global 0" {
		t.Errorf("a global: %q", got)
	}
	b, _ := in.mem.Read(4096, 1)
	b[0]++
	if got := w.pool.unclean(); got != "memory that differs from byte 0x1000 on" {
		t.Errorf("a byte: %q", got)
	}
	in.owner = owner{tenant: "red"}
	if got := w.pool.unclean(); got != "" {
		t.Errorf("an instance that may hold text: %q", got)
	}
}

// A module that can't be put back has a fresh instance for each run, and whoever looks at it is told why.
func TestSelfTestUnrestorable(t *testing.T) {
	a := minimal()
	a.table = true
	a.fn("grow", ":i", 0xd0, 0x70, 0x41, 1, 0xfc, 0x0f, 0) // ref.null func; i32.const 1; table.grow 0
	s := Spec{Name: "fresh", Module: a.bytes()}
	r, got := selfTest(t, s, `[{"name":"v","text":"abc","want":"abc"}]`)
	if got != "" || r.Restorable || !slices.Contains(r.Reasons, "table.grow") || r.Vectors[0].Runs != 4 {
		t.Errorf("%s %+v", got, r)
	}
	if in := engine(t, Options{}).Inspect(context.Background(), s); in.Restorable || !slices.Contains(in.Unrestorable, "table.grow") || in.Refused != nil {
		t.Errorf("%+v", in)
	}
	m, err := Measure(context.Background(), s, MeasureOptions{For: time.Millisecond})
	if err != nil || m.Restorable || m.Reset != 0 || m.Cold <= 0 || m.FromCache != 0 || len(m.Texts) != len(measured) {
		t.Errorf("%+v, %v", m, err)
	}
}
