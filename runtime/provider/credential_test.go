package provider_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// secret is a credential that is what the test says.
type secret struct {
	now     string
	broken  error
	version uint64
	next    string // what it is renewed to when it is refused; "" is nothing
	refused int
}

func (s *secret) Secret(context.Context) (string, error) { return s.now, s.broken }
func (s *secret) Version() uint64                        { return s.version }

func (s *secret) Refused(_ context.Context, version uint64) bool {
	s.refused++
	if version == s.version && s.next != "" {
		s.now, s.next = s.next, ""
		s.version++
	}
	return s.version != version
}

func TestOpenAICredential(t *testing.T) {
	s := modelserver.New(t, modelserver.JSON(`{}`))
	key := &secret{}
	c := dial(t, s, provider.Options{Credential: key})
	call := func() error {
		_, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions})
		return err
	}
	for _, key.now = range []string{"one", "two"} { // a rotated credential is used at once
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Requests()[1].Header.Get("Authorization"); got != "Bearer two" {
		t.Errorf("sent %q", got)
	}
	key.broken = errors.New("no such file")
	if f := failure(t, call()); f.Code != wire.UpstreamCredential || f.BodySent || f.Retry != upstream.RetryElsewhere || len(s.Requests()) != 2 {
		t.Errorf("got %+v after %d requests", f, len(s.Requests()))
	}
}

// A 401 is answered with a new secret, once, and with nothing where there is none.
func TestOpenAIRefusedCredential(t *testing.T) {
	f := func(next string, status int, want string) {
		t.Helper()
		s := modelserver.New(t, modelserver.Error(401, ""), modelserver.JSON(`{}`), modelserver.JSON(`{}`))
		if status == 401 && next != "" {
			s.Script(modelserver.Error(401, ""))
		}
		c := dial(t, s, provider.Options{Credential: &secret{now: "old", next: next}})
		_, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions, Body: []byte(`{"a":1}`)})
		if status != 200 && failure(t, err).Status != status || status == 200 && err != nil {
			t.Errorf("%v, want status %d", err, status)
		}
		var sent []string
		for _, r := range s.Requests() {
			sent = append(sent, r.Header.Get("Authorization")+" "+string(r.Body))
		}
		if got := strings.Join(sent, ", "); got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
	f("", 401, `Bearer old {"a":1}`)
	f("new", 200, `Bearer old {"a":1}, Bearer new {"a":1}`)
	f("new", 401, `Bearer old {"a":1}, Bearer new {"a":1}`)
}
