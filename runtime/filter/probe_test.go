package filter

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire"
)

func probe(t *testing.T, s Spec, facts map[string]string) *Probe {
	t.Helper()
	p, err := engine(t, Options{}).Probe(context.Background(), s, facts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	return p
}

func TestProbeText(t *testing.T) {
	p := probe(t, Spec{Name: "words", Module: guest(t, "words")}, nil)
	f := func(chunk int, text string, want ...string) {
		t.Helper()
		var got []string
		res, err := p.Text(context.Background(), OnAnswer, wire.RoleAssistant, Chunks(text, chunk), func(text string, parts []Part, held int) {
			marks := ""
			for _, p := range parts {
				marks += fmt.Sprintf(" %s=%s@%s", p.Kind, p.Text, text[p.From:p.To])
			}
			got = append(got, fmt.Sprintf("%s +%d%s", text, held, marks))
		})
		if err != nil || !slices.Equal(got, want) || res.Calls == 0 || res.Units == 0 || res.Memory == 0 {
			t.Errorf("%q: got %q, %v, %+v; want %q", text, got, err, res, want)
		}
	}
	f(100, "to ana@x.org ~", "to <email:ana@x.org> TILDE +0 email=ana@x.org@<email:ana@x.org> =~@TILDE")
	f(6, "to ana@x.org!", "to  +3", " +9", "<email:ana@x.org!> +0 email=ana@x.org!@<email:ana@x.org!>")
	f(3, "<<a>> b", " +3", "<block:<<a>>>  +0 block=<<a>>@<block:<<a>>>", "b +0")
	res, err := p.Text(context.Background(), OnRequest, wire.RoleUser, []string{"a % !reject! b"}, func(string, []Part, int) { t.Error("text of a rejected request") })
	if err != nil || res.Reject != "unwanted" || !reflect.DeepEqual(res.Labels, map[string]any{"percent": true}) {
		t.Errorf("%+v, %v", res, err)
	}
	if _, err := p.Body(context.Background(), OnRequest, json.RawMessage(`{}`)); err == nil || !strings.Contains(err.Error(), "no hook for the bodies of requests") {
		t.Errorf("a body: %v", err)
	}
}

func TestProbeBody(t *testing.T) {
	p := probe(t, Spec{Name: "hostile", Module: guest(t, "hostile")}, map[string]string{"principal.tenant": "red"})
	res, err := p.Body(context.Background(), OnRequest, json.RawMessage(`"!2!3"`))
	if err != nil || string(res.Set["temperature"]) != "0.5" || len(res.Messages) != 1 || res.Messages[0] != (VectorMessage{"last", "user", "Thanks."}) {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err := p.Body(context.Background(), OnAnswer, json.RawMessage(`"!9"`)); err != nil || res.Reject != "bad_answer" {
		t.Errorf("%+v, %v", res, err)
	}
	none := func(string, []Part, int) {}
	if _, err := p.Text(context.Background(), OnRequest, wire.RoleUser, []string{"!Gx"}, none); err != nil {
		t.Errorf("a granted fact: %v", err)
	}
	if _, err := p.Text(context.Background(), OnRequest, wire.RoleUser, []string{"!s"}, none); err == nil || !strings.Contains(err.Error(), "budget of fuel") {
		t.Errorf("a guest that spins: %v", err)
	}
	if _, err := engine(t, Options{}).Probe(context.Background(), Spec{Name: "x", Module: []byte("no")}, nil); err == nil {
		t.Error("what is no module")
	}
}

func TestChunks(t *testing.T) {
	f := func(text string, n int, want ...string) {
		t.Helper()
		if got := Chunks(text, n); !slices.Equal(got, want) {
			t.Errorf("%q by %d: %q, want %q", text, n, got, want)
		}
	}
	f("", 3, "")
	f("abcdef", 3, "abc", "def")
	f("abcd", 3, "abc", "d")
	f("aüb", 2, "a", "ü", "b")
	f("ü", 1, "ü")
	f("üü", 1, "ü", "ü")
}
