package filter

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/filters"
)

const secrets = "Ana <ana@example.com>, card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00, from 203.0.113.7. " +
	"-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\nüber SSN 536-90-4399."

// The shipped filter finds the same in streams as in whole texts, whatever the split.
func TestShippedRedactor(t *testing.T) {
	w := redactor(t)
	got, p, err := pass(t, secrets, w)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"ana@example.com", "4111", "MIIE", "203.0.113.7", "0532", "536-90"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is left in %q", secret, got)
		}
	}
	if !strings.Contains(got, "[EMAIL_1]") || p.Redactions(OnRequest)["card"] != 1 {
		t.Errorf("got %q, %v", got, p.Redactions(OnRequest))
	}
	want := wholeAnswer(t, secrets, w)
	r := rand.New(rand.NewPCG(3, 4))
	for i := 0; i < len(secrets)+300; i += stride() {
		var ds []delta
		from := 0
		for from < len(secrets) {
			to := min(from+1+r.IntN(20), len(secrets))
			if i < len(secrets) {
				to = len(secrets)
				if from == 0 && i > 0 {
					to = i
				}
			}
			for !boundary([]byte(secrets), to) {
				to++
			}
			ds = append(ds, delta{field: "content", text: secrets[from:to]})
			from = to
		}
		q := begin(t, ask(t, "red", "hi"), w)
		if got := streamed(t, q.Stream(), append(ds, delta{finish: true}))["0/content"]; got != want {
			t.Fatalf("split %d: got %q, want %q", i, got, want)
		}
		q.Close()
	}
}

// The shipped prompt filter adds its system message, and the redactor sees it.
func TestShippedPrompt(t *testing.T) {
	code, ok := filters.Builtin("prompt")
	if !ok {
		t.Fatal("there is no builtin:prompt")
	}
	prompt := load(t, Spec{Name: "prompt", Module: code, Request: true, Config: []byte(`{"system":"Write to boss@example.com."}`)})
	x := ask(t, "red", "hi")
	p := begin(t, x, prompt, redactor(t))
	if err := p.Request(context.Background()); err != nil {
		t.Fatal(err)
	}
	if x.Request.Messages != 2 || !strings.Contains(string(x.Request.Segments[0].Text.Bytes()), "Write to [EMAIL_1].") {
		t.Errorf("%d messages, the first %q", x.Request.Messages, x.Request.Segments[0].Text.Bytes())
	}
}
