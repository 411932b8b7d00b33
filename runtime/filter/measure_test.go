package filter

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/filters"
)

func TestMeasure(t *testing.T) {
	f := func(s Spec, o MeasureOptions, body bool) {
		t.Helper()
		o.For, o.CacheDir = time.Millisecond, t.TempDir()+"/cache"
		m, err := Measure(context.Background(), s, o)
		if err != nil {
			t.Fatal(err)
		}
		if m.Compile <= 0 || m.FromCache <= 0 || m.Cold <= 0 || m.Instantiate <= 0 || m.Memory == 0 || !m.Restorable || len(m.Texts) != len(measured) {
			t.Errorf("%+v", m)
		}
		for i, c := range m.Texts {
			if c.Bytes != measured[i] || c.Time <= 0 || c.Guest <= 0 || c.Units <= 0 || c.Body != body || c.Guest > c.Time {
				t.Errorf("%+v", c)
			}
		}
		if (m.Reset > 0 && m.Delta.Time > 0) == body {
			t.Errorf("reset %s, delta %+v", m.Reset, m.Delta)
		}
	}
	f(Spec{Name: "words", Module: guest(t, "words")}, MeasureOptions{}, false)
	f(Spec{Name: "words", Module: guest(t, "words")}, MeasureOptions{On: OnAnswer, Text: "über ana@x.org "}, false)
	code, _ := filters.Builtin("prompt")
	f(Spec{Name: "prompt", Module: code, Config: []byte(`{"set":{"seed":7}}`)}, MeasureOptions{}, true)

	if _, err := Measure(context.Background(), Spec{Name: "x", Module: []byte("no")}, MeasureOptions{}); err == nil || !strings.Contains(err.Error(), "not WebAssembly") {
		t.Errorf("what is no module: %v", err)
	}
	if _, err := Measure(context.Background(), Spec{Name: "hostile", Module: guest(t, "hostile")}, MeasureOptions{Text: "!t"}); err == nil || !strings.Contains(err.Error(), "trapped") {
		t.Errorf("a guest that traps: %v", err)
	}
}
