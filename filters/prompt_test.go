package filters_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/filter"
)

// selfTest runs a shipped filter's vectors as the gateway does.
func selfTest(t *testing.T, name string) {
	t.Helper()
	file, err := os.ReadFile(name + "/" + name + ".vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := filter.ParseVectors(file)
	if err != nil {
		t.Fatal(err)
	}
	e, err := filter.NewEngine(filter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	report, err := e.SelfTest(context.Background(), filter.Spec{Name: name, Module: builtin(t, name)}, vectors)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		t.Error(err)
	}
}

func TestPromptVectors(t *testing.T) { selfTest(t, "prompt") }

func TestPromptConfig(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		h := newHost(t, builtin(t, "prompt"))
		if code := h.call("on_config", config); code == 0 || len(h.logs) != 1 || !strings.Contains(h.logs[0], want) {
			t.Errorf("%.80s: %d %q, want %q", config, code, h.logs, want)
		}
	}
	many := func(n int, s string) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }
	f(`{}`, "nothing to do: give system")
	f(`[]`, "object is expected")
	f(`{"system": ""}`, "system: the text is empty")
	f(`{"system": 1}`, "system: a text of at most 32768 bytes")
	f(`{"system": "`+strings.Repeat("x", 40000)+`"}`, "system: a text of at most 32768 bytes")
	f(`{"system": "x", "position": "middle"}`, "position: first or last")
	f(`{"position": "last", "set": {"a": 1}}`, "position: it says where system goes, but there is no system")
	f(`{"system": "x", "where": "first"}`, "unknown key: system, position")
	f(`{"system": "x", "when": {"model": "a"}}`, "unknown key: system, position")
	f(`{"system": "x {{tenant}}"}`, "system: an unknown variable: principal.tenant,")
	f(`{"system": "x {{message.role}}"}`, "system: an unknown variable")
	f(`{"system": "x {{}}"}`, "system: an unknown variable")
	f(`{"system": "x {{model}"}`, "system: {{ is not closed by }}")
	f(`{"messages": [{"text": "x"}, {"text": "{{user}}"}]}`, "messages entry 2: an unknown variable")
	f(`{"messages": [{"role": "user"}]}`, "messages entry 1: it has no text")
	f(`{"messages": [{"text": "x", "role": "tool"}]}`, "messages entry 1: role: system, user or assistant")
	f(`{"messages": [{"text": "x", "where": 1}]}`, "messages entry 1: where: first or last")
	f(`{"messages": [{"text": "x", "content": "y"}]}`, "messages entry 1: unknown key: where, role and text")
	f(`{"messages": [`+many(33, `{"text":"x"}`)+`]}`, "messages entry 33: more than 32 messages")
	f(`{"set": {"model": "x"}}`, "set: model, stream, stream_options, messages, prompt and input can't be set")
	f(`{"defaults": {"stream": true}}`, "defaults: model, stream")
	f(`{"caps": {"messages": 1}}`, "caps: model, stream")
	f(`{"caps": {"max_tokens": "1"}}`, "caps: a cap is a number")
	f(`{"set": {"temperature": 01}}`, "set: a comma or the closing bracket")
	f(`{"set": {"temperature": }}`, "set: a value is expected")
	f(`{"set": [1]}`, "set: an object is expected")
	f(`{"set": {"": 1}}`, "set: a parameter has an empty name")
	f(`{"set": {"a": `+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}}`, "set: nested too deep")
	f(`{"set": {"`+strings.Repeat("a", 70)+`": 1}}`, "set: a parameter's name has at most 64 bytes")
	f(`{"set": {"a": "`+strings.Repeat("x", 50000)+`"}}`, "set: all texts and values together are over 49152")
	f(`{"rules": [{"system": "x"}]}`, "rules entry 1: it has no when")
	f(`{"rules": [{"when": {"model": "a"}}]}`, "rules entry 1: nothing to do")
	f(`{"rules": [{"when": {"model": "a"}, "system": "x"}, {"when": {"models": "a"}, "system": "x"}]}`, "rules entry 2: when: unknown key: model, operation and tenant")
	f(`{"rules": [{"when": {}, "system": "x"}]}`, "rules entry 1: when: it names nothing")
	f(`{"rules": [{"when": {"model": "a*b"}, "system": "x"}]}`, "rules entry 1: when: a * stands only at the end")
	f(`{"rules": [{"when": {"model": 1}, "system": "x"}]}`, "rules entry 1: when: a word or a list of words")
	f(`{"rules": [{"when": {"model": "a"}, "rules": []}]}`, "rules entry 1: unknown key: when, system")
	f(`{"rules": [`+many(17, `{"when": {"model": "a"}, "set": {"a": 1}}`)+`]}`, "rules entry 17: more than 16 rules")
	f(`{"system": "x"`, "comma or the closing bracket")
	f(`{"system": "x"} {}`, "follows")
}

// TestPromptGrants: a fact that the configuration uses but does not grant is found when the filter is loaded.
func TestPromptGrants(t *testing.T) {
	e, err := filter.NewEngine(filter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	f := func(config, want string, grants ...string) {
		t.Helper()
		loaded, err := e.Load(context.Background(), filter.Spec{Name: "prompt", Module: builtin(t, "prompt"), Request: true, Config: []byte(config), Grants: grants})
		if err == nil {
			_ = loaded.Close(context.Background())
		}
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%s with %q: %s, want %q", config, grants, got, want)
		}
	}
	f(`{"system": "For {{principal.tenant}}."}`, "principal.tenant, which the configuration does not grant", "model")
	f(`{"rules": [{"when": {"model": "a"}, "set": {"a": 1}}]}`, "model, which the configuration does not grant")
	f(`{"system": "For {{principal.tenant}}."}`, "<nil>", "principal.tenant")
	f(`{"system": "For {{{{principal.tenant}}."}`, "<nil>")
}

// TestPromptLarge: requests larger than the filter's memory are taken; the instance that grew is not used again.
func TestPromptLarge(t *testing.T) {
	h := newHost(t, builtin(t, "prompt"))
	h.configure(`{"defaults": {"seed": 3}}`)
	for _, n := range []int{65_500, 66_000, 400_000, 12 << 20, 1_000_000} {
		h.sets = nil
		body := `{"messages": [{"role": "user", "content": "` + strings.Repeat("x", n) + `"}]}`
		if code := h.call("on_request", body); code != 0 || len(h.sets) != 1 {
			t.Errorf("%d bytes: %d %q", n, code, h.sets)
		}
	}
	if p, err := h.alloc.Call(context.Background(), 64<<20); err != nil || p[0] != 0 {
		t.Errorf("alloc of 64 MiB gave %v, %v", p, err)
	}
}

// TestPromptLongFacts: a value that does not fit fails the request.
func TestPromptLongFacts(t *testing.T) {
	h := newHost(t, builtin(t, "prompt"))
	h.configure(`{"system": "` + strings.Repeat("{{principal.roles}}", 9) + `"}`)
	f := func(n int, want string) {
		t.Helper()
		h.facts, h.logs, h.sets = map[string]string{"principal.roles": strings.Repeat("r", n)}, nil, nil
		code := h.call("on_request", "{}")
		if got := strings.Join(h.logs, ""); (code != 0) != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%d bytes: %d %q, want %q", n, code, got, want)
		}
	}
	f(0, "")
	f(3640, "")
	f(3641, "a message is longer")
	f(4096, "a message is longer")
	f(4097, "a fact is longer than 4096")
	f(70_000, "a fact is longer than 4096")
}

// FuzzPrompt: no configuration and no request traps the filter, and what a refusal says is one line.
func FuzzPrompt(f *testing.F) {
	f.Add(`{"system": "x {{model}}", "position": "last"}`, `{"messages": [], "temperature": 1}`)
	f.Add(`{"set": {"a": 1}, "defaults": {"b": [1, {}]}, "caps": {"c": 1e3, "d": -0.5}}`, `{"c": 1e999, "d": {"x": "}"}, "\u0062": null}`)
	f.Add(`{"rules": [{"when": {"model": ["a*"], "tenant": "t"}, "messages": [{"where": "last", "role": "user", "text": "{{{{"}]}]}`, `{"a": "\\", "b": "\"`)
	f.Add(`{"caps": {"a": 5}}`, `{"a": 12345678901234567890123e-9`)
	h := newHost(f, builtin(f, "prompt"))
	h.facts = map[string]string{"model": "a1", "principal.tenant": "t"}
	f.Fuzz(func(t *testing.T, config, request string) {
		if len(config) > 1<<16 || len(request) > 1<<20 {
			return
		}
		h.t, h.logs, h.sets = t, nil, nil
		if code := h.call("on_config", config); code != 0 {
			if len(h.logs) != 1 || strings.ContainsAny(h.logs[0], "\n\r") || len(h.logs[0]) < 5 {
				t.Errorf("%q: refused with %q", config, h.logs)
			}
			return
		}
		if code := h.call("on_request", request); code != 0 && len(h.logs) != 1 {
			t.Errorf("%q, %q: failed with %q", config, request, h.logs)
		}
	})
}

// BenchmarkPrompt adds a message with a variable to a request of 1 KB, and looks at three parameters.
func BenchmarkPrompt(b *testing.B) {
	h := newHost(b, builtin(b, "prompt"))
	h.facts = map[string]string{"principal.tenant": "red", "model": "model-a"}
	h.configure(`{"system": "You work for {{principal.tenant}}.", "defaults": {"temperature": 0.2}, "caps": {"max_tokens": 100},
		"rules": [{"when": {"model": "model-*"}, "set": {"seed": 1}}]}`)
	body := `{"model": "model-a", "max_tokens": 500, "messages": [{"role": "user", "content": "` + strings.Repeat("plain text ", 90) + `"}]}`
	b.ReportAllocs()
	for b.Loop() {
		h.sets = h.sets[:0]
		if code := h.call("on_request", body); code != 0 {
			b.Fatal(code)
		}
	}
}
