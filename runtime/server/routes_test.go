package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// TestRequestID: whatever is answered under /v1 has an id of its own, also where no exchange came of it.
func TestRequestID(t *testing.T) {
	m := modelserver.New(t)
	g := gateway.StartWith(t, gateway.Callers+gateway.Model(m.URL())+gateway.Rest, nil)
	seen := map[string]bool{}
	f := func(method, path, key, encoding string, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Api-Key", key)
		if encoding != "" {
			req.Header.Set("Content-Encoding", encoding)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		id := resp.Header.Get("X-Request-Id")
		if resp.StatusCode != want || len(id) != 36 || seen[id] {
			t.Errorf("%s %s: status %d, id %q; want %d and an id not seen before", method, path, resp.StatusCode, id, want)
		}
		seen[id] = true
	}
	key := g.Key("red")
	f("GET", "/v1/models", key, "", 200)
	f("GET", "/v1/models", "slk_wrong", "", 401)
	f("GET", "/v1/nothing", key, "", 404)
	f("GET", chatPath, key, "", 405)
	f("POST", chatPath, key, "br", 415)
	f("POST", chatPath, key, "", 400)
	f("POST", chatPath, "slk_wrong", "", 401)
}
