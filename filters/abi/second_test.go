package abi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var roles = []string{"other", "system", "user", "assistant", "tool", "definition"}

// vector is a self-test vector, as README.md has it.
type vector struct {
	Name, On, Role string
	Config         json.RawMessage
	Arguments      bool
	Facts          map[string]string
	Text, Want     *string
	Body           json.RawMessage
	Set            map[string]any
	Messages       []struct{ Where, Role, Text string }
	Labels         map[string]any
	Reject         string
}

// emptyFinding is what an open finding leaves that is closed where it was opened: it is none.
var emptyFinding = regexp.MustCompile(`<[a-z0-9_]+:>`)

// outcome is what one run of a vector gives, in a form to compare.
type outcome struct{ text, labels, reject, set, messages string }

func spelled(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// configText is what on_config gets.
func configText(config json.RawMessage) string {
	var text string
	if json.Unmarshal(config, &text) == nil {
		return text
	}
	return string(config)
}

// run takes a vector through the second host: whole, or cut at a byte.
func (v *vector) run(ctx context.Context, h *host, answer bool, cut int) (o outcome, err error) {
	x, err := h.begin(ctx, v.Facts)
	if err != nil {
		return o, err
	}
	defer x.end()
	if v.Body != nil {
		hook := inRequest
		if answer {
			hook = "on_response"
		}
		code, failed := x.hook(hook, v.Body)
		if err = failed; err == nil && code != 0 && x.reject == "" {
			err = fmt.Errorf("%s returned %d", hook, code)
		}
	} else {
		o.text, err = v.stream(x, answer, cut)
	}
	o.labels, o.reject, o.set, o.messages = spelled(x.labels), x.reject, spelled(x.set), strings.Join(x.messages, "\n")
	if o.reject != "" {
		o.text = ""
	}
	return o, err
}

// stream shows the text and spells what comes of it.
func (v *vector) stream(x *visit, answer bool, cut int) (string, error) {
	role := 2
	if answer {
		role = 3
	}
	if v.Role != "" {
		role = slices.Index(roles, v.Role)
	}
	flags := uint32(role) << 2
	if answer {
		flags |= 2
	}
	if v.Arguments {
		flags |= 32
	}
	ends := []int{len(*v.Text)}
	if cut > 0 {
		ends, flags = []int{cut, len(*v.Text)}, flags|64
	}
	var out strings.Builder
	text, settled := []byte(*v.Text), 0
	for i, end := range ends {
		from := max(0, settled-64)
		if x.fault == "short context" {
			from = max(from, settled-32)
		}
		for !between(text, from) {
			from++
		}
		n, err := x.show(text[from:end], settled-from, i == len(ends)-1, flags)
		if err != nil || x.reject != "" {
			return "", err
		}
		spell(&out, x, text, from, settled, from+n)
		settled = from + n
	}
	return emptyFinding.ReplaceAllString(out.String(), ""), nil
}

// spell writes the part of the text from settled to to, edited.
func spell(out *strings.Builder, x *visit, text []byte, from, settled, to int) {
	at := settled
	for _, e := range x.edits {
		out.Write(text[at : from+e.start])
		switch e.what {
		case "redact":
			fmt.Fprintf(out, "<%s:%s>", e.word, text[from+e.start:from+e.end])
		case "open":
			fmt.Fprintf(out, "<%s:", e.word)
		case "close":
			out.WriteString(">")
		case "replace":
			out.WriteString(e.word)
		}
		at = from + e.end
	}
	out.Write(text[at:to])
}

// check holds a whole run against the vector.
func (v *vector) check(o outcome) error {
	f := func(what, got, want string) error {
		if got != want {
			return fmt.Errorf("%s: got %s, want %s", what, got, want)
		}
		return nil
	}
	if err := f("reject", o.reject, v.Reject); err != nil || v.Reject != "" {
		return err
	}
	if v.Want != nil && o.text != *v.Want {
		return f("text", o.text, *v.Want)
	}
	if v.Labels != nil {
		var got map[string]any
		if err := json.Unmarshal([]byte(o.labels), &got); err != nil || !reflect.DeepEqual(got, v.Labels) {
			return f("labels", o.labels, spelled(v.Labels))
		}
	}
	if v.Set != nil {
		got, raw := map[string]any{}, map[string]string{}
		_ = json.Unmarshal([]byte(o.set), &raw)
		for key, value := range raw {
			var one any
			if err := json.Unmarshal([]byte(value), &one); err != nil {
				return fmt.Errorf("set %s: %w", key, err)
			}
			got[key] = one
		}
		if !reflect.DeepEqual(got, v.Set) {
			return f("set", o.set, spelled(v.Set))
		}
	}
	var want []string
	for _, m := range v.Messages {
		want = append(want, m.Where+" "+m.Role+" "+m.Text)
	}
	if v.Messages != nil {
		return f("messages", o.messages, strings.Join(want, "\n"))
	}
	return nil
}

// directions are those that a vector runs in: false for requests, true for answers.
func (v *vector) directions(hooks uint32) (out []bool) {
	bits := [2]uint32{1, 2}
	if v.Body != nil {
		bits = [2]uint32{4, 8}
	}
	for i, name := range []string{"request", "response"} {
		if hooks&bits[i] != 0 && (v.On == "" || v.On == name) {
			out = append(out, i == 1)
		}
	}
	return out
}

// second runs vectors in the second host, with a fault or "", and tells where the two disagree; bad says that each
// exchange must fail.
func second(t *testing.T, fault string, module []byte, vectors json.RawMessage, bad bool) (wrong []error) {
	t.Helper()
	if vectors == nil {
		return nil
	}
	var all []vector
	if err := json.Unmarshal(vectors, &all); err != nil {
		t.Fatal(err)
	}
	hosts := map[string]*host{} // by configuration
	for i := range all {
		v := &all[i]
		config := configText(v.Config)
		h := hosts[config]
		if h == nil {
			var err error
			if h, err = load(t.Context(), module, config); err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			t.Cleanup(func() { _ = h.rt.Close(context.Background()) })
			h.fault, hosts[config] = fault, h
		}
		for _, answer := range v.directions(h.hooks) {
			if err := v.everywhere(t.Context(), h, answer, bad); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", v.Name, err))
			}
		}
		if fault != "" && len(wrong) > 0 {
			break // one is enough
		}
	}
	return wrong
}

// everywhere runs a vector whole and cut at every character. What must fail runs whole alone.
func (v *vector) everywhere(ctx context.Context, h *host, answer, bad bool) error {
	whole, err := v.run(ctx, h, answer, 0)
	switch {
	case bad && err == nil:
		return fmt.Errorf("it did not fail: %+v", whole)
	case bad:
		return nil
	case err == nil:
		err = v.check(whole)
	}
	if err != nil || v.Body != nil {
		return err
	}
	for cut := 1; cut < len(*v.Text); cut++ {
		if !utf8.RuneStart((*v.Text)[cut]) {
			continue
		}
		got, err := v.run(ctx, h, answer, cut)
		if err == nil && got != whole {
			err = fmt.Errorf("got %+v, want %+v", got, whole)
		}
		if err != nil {
			return fmt.Errorf("cut at byte %d: %w", cut, err)
		}
	}
	return nil
}

// TestSecondHost: a host written from the contract alone agrees with the kit, so that what the kit asks is what the
// contract says.
func TestSecondHost(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector")
	}
	for _, c := range cases(t) {
		t.Run(strings.TrimSuffix(c.Guest, ".wasm"), func(t *testing.T) {
			module := read(t, "guests", c.Guest)
			if c.Refused != "" {
				if _, err := load(t.Context(), module, configText(c.Config)); err == nil {
					t.Errorf("it is taken: %s", c.Why)
				}
				return
			}
			for _, err := range append(second(t, "", module, c.Vectors, false), second(t, "", module, c.Failing, true)...) {
				t.Error(err)
			}
		})
	}
	for name, path := range map[string]string{"echo": "echo.vectors.json", "ticket": "../../sdk/ticket.vectors.json"} {
		t.Run(name, func(t *testing.T) {
			for _, err := range second(t, "", read(t, "guests", name+".wasm"), read(t, path), false) {
				t.Error(err)
			}
		})
	}
}

// TestKitFindsFaults: the guest named finds what a host does wrong.
func TestKitFindsFaults(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector")
	}
	f := func(guest, fault string) {
		t.Helper()
		for _, c := range cases(t) {
			if c.Guest != guest {
				continue
			}
			module := read(t, "guests", guest)
			wrong := append(second(t, fault, module, c.Vectors, false), second(t, fault, module, c.Failing, true)...)
			if len(wrong) == 0 {
				t.Errorf("%s does not find the fault %q", guest, fault)
			} else {
				t.Logf("%s: %.200v", fault, wrong[0])
			}
			return
		}
		t.Errorf("there is no guest %s", guest)
	}
	f("window.wasm", "short context")
	f("window.wasm", "no state")
	f("window.wasm", "reserved flag")
	f("act.wasm", "reserved flag")
	f("act.wasm", "any span")
	f("act.wasm", "any hook")
	f("memory.wasm", "one instance")
	f("order.wasm", "two buffers")
}
