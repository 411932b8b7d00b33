package filters_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/filters"
	"github.com/sluicegate/sluice/runtime/filter"
)

func TestBuiltins(t *testing.T) {
	if got := filters.Builtins(); !slices.Equal(got, []string{"guard", "prompt", "redact"}) {
		t.Errorf("Builtins() = %q", got)
	}
	if _, ok := filters.Builtin("builtin:redact"); ok {
		t.Error("a name with its prefix is none")
	}
}

func ExampleBuiltin() {
	module, ok := filters.Builtin("redact")
	fmt.Println(ok, strings.HasPrefix(string(module), "\x00asm"))
	// Output: true true
}

// TestEngine loads the shipped filters and the Go example as the gateway does, and checks that they can be reset cheaply.
func TestEngine(t *testing.T) {
	e, err := filter.NewEngine(filter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	t.Cleanup(func() { _ = e.Close(ctx) })
	f := func(name string, module []byte, config, hooks string) {
		t.Helper()
		loaded, err := e.Load(ctx, filter.Spec{Name: name, Module: module, Request: true, Answer: name != "prompt", Config: []byte(config)})
		if err != nil {
			t.Error(err)
			return
		}
		if got := strings.Join(loaded.Hooks(), " "); got != hooks {
			t.Errorf("%s: hooks %q, want %q", name, got, hooks)
		}
		if ok, why := loaded.Restorable(); !ok {
			t.Errorf("%s can't be put back: %q", name, why)
		}
		_ = loaded.Close(ctx)
	}
	f("redact", builtin(t, "redact"), `{"kinds": ["email"]}`, "request.text answer.text")
	f("guard", builtin(t, "guard"), `{"reject_at": 90}`, "request.text answer.text")
	f("prompt", builtin(t, "prompt"), `{"system": "Be brief."}`, "on_request")
	f("ticket", buildGo(t), `{"prefix": "TCK"}`, "request.text answer.text")
}

// TestSize: a small memory that never grows is what makes the reset between exchanges cheap.
func TestSize(t *testing.T) {
	for _, name := range filters.Builtins() {
		h := newHost(t, builtin(t, name))
		if size := h.module.Memory().Size(); size > 320<<10 {
			t.Errorf("%s: %d bytes of linear memory", name, size)
		}
		p, err := h.alloc.Call(context.Background(), 1<<20)
		if grows := name == "prompt"; err != nil || (p[0] != 0) != grows { // on_request gets the whole request
			t.Errorf("%s: alloc of more than it has gave %v, %v", name, p, err)
		}
	}
}

// TestReproducible proves that the embedded modules are what their sources build to.
func TestReproducible(t *testing.T) {
	if _, err := exec.LookPath("clang-14"); err != nil || raceDetector {
		t.Skip("clang-14 is not installed, or this is a run under the race detector")
	}
	if b, err := exec.Command("./build.sh", "--check").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, b)
	}
}

// TestGoExample runs the example of the Go SDK whole and at every split.
func TestGoExample(t *testing.T) {
	h := newHost(t, buildGo(t))
	h.configure(`{"prefix": "TCK"}`)
	for text, want := range map[string]string{
		"see TCK-123 and TCK-9.":         "see <ticket:TCK-123> and <ticket:TCK-9>.",
		"XTCK-123, TCK-, TCK-12x, tck-1": "XTCK-123, TCK-, TCK-12x, tck-1",
		"TCK-1":                          "<ticket:TCK-1>",
		strings.Repeat("TCK-1", 30) + " é TCK-1 用": strings.Repeat("TCK-1", 30) + " é <ticket:TCK-1> 用",
	} {
		spans, _ := h.find(text, 0)
		if got := mark(text, spans); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		checkSplits(t, h, text, 0, spans)
	}
	if code := h.call("on_config", `{"prefix": ""}`); code == 0 || len(h.logs) != 1 || !strings.Contains(h.logs[0], "1 to 8") {
		t.Errorf("%d %q", code, h.logs)
	}
}
