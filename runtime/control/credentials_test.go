package control_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// accepting answers who sends the token that is good now, and 401 to others.
func accepting(good *atomic.Pointer[string]) modelserver.Step {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		if r.Header.Get("Authorization") != "Bearer "+*good.Load() {
			modelserver.Error(401, "")(w, r, body)
			return
		}
		modelserver.Answer("ok")(w, r, body)
	}
}

// withCredential starts a gateway whose one endpoint has that credential.
func withCredential(t *testing.T, m *modelserver.Server, credential string, more map[string]string) *gateway.Gateway {
	t.Helper()
	all := files(t)
	for name, text := range more {
		all[name] = text
	}
	g := gateway.StartWith(t, strings.Replace(smallest, "{name: one, provider: demo}",
		fmt.Sprintf("{name: one, provider: openai, url: %q, credential: %s}", m.URL(), credential), 1), all)
	t.Cleanup(func() {
		if strings.Contains(g.Log.String(), "sk-") {
			t.Error("a secret is in the log")
		}
	})
	return g
}

// A token that is rotated from outside costs nobody a request: a 401 has it read again at once, and the call made again.
func TestRotatedToken(t *testing.T) {
	var good atomic.Pointer[string]
	rotate := func(s string) { good.Store(&s) }
	rotate("sk-0")
	m := modelserver.New(t, accepting(&good))
	g := withCredential(t, m, "{file: jwt, json: access_token}", map[string]string{"jwt": `{"access_token":"sk-0"}`})
	serves(t, g, "before")
	g.Write("jwt", `{"access_token":"sk-1"}`)
	rotate("sk-1")
	serves(t, g, "after")
	if n := len(m.Requests()); n > 3 || generation(g) != 1 {
		t.Errorf("%d calls, generation %d", n, generation(g))
	}
	// A file that cannot be read leaves the last good token; a model server that refuses it is its failure.
	if err := os.Remove(filepath.Join(g.Dir, "jwt")); err != nil {
		t.Fatal(err)
	}
	serves(t, g, "without the file")
	rotate("sk-2")
	if r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"refused"}`); r.Status != 502 || r.Code() != "upstream_error" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// What a command cannot give is a code of its own, and no word of what it wrote.
func TestCommandCredential(t *testing.T) {
	var good atomic.Pointer[string]
	word := "sk-made"
	good.Store(&word)
	m := modelserver.New(t, accepting(&good))
	g := withCredential(t, m, "{command: [/bin/echo, sk-made], ttl: 1h}", nil)
	serves(t, g, "made")
	g = withCredential(t, m, `{command: [/bin/sh, -c, "echo sk-made; exit 7"]}`, nil)
	r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"x"}`)
	if r.Status != 502 || r.Code() != "upstream_credential" || strings.Contains(r.Body, "sk-") || !strings.Contains(g.Log.String(), "exit code 7") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// A token of client credentials is fetched once and lives through a reload.
func TestGrantedCredential(t *testing.T) {
	var good atomic.Pointer[string]
	word := "sk-granted"
	good.Store(&word)
	m := modelserver.New(t, accepting(&good))
	idp := modelserver.New(t, modelserver.JSON(`{"access_token":"sk-granted","token_type":"Bearer","expires_in":3600}`))
	t.Setenv("SLUICE_TEST_CLIENT", "sk-client")
	g := withCredential(t, m, fmt.Sprintf("{oauth2: {token_url: %q, client_id: gw, client_secret: {env: SLUICE_TEST_CLIENT}}}", idp.URL()), nil)
	serves(t, g, "one")
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	serves(t, g, "two")
	if n := len(idp.Requests()); n != 1 {
		t.Errorf("%d tokens were asked for", n)
	}
	if got := string(idp.Requests()[0].Body); got != "grant_type=client_credentials" {
		t.Errorf("asked with %s", got)
	}
}
