package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// Vectors are not text: in both forms they pass whole, digit by digit, while the input goes through the filters, and a form
// is never answered with the other from the cache.
func TestEmbeddings(t *testing.T) {
	s := besiege(t)
	f := func(form, vector string) {
		t.Helper()
		answer := fmt.Sprintf(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":%s},{"object":"embedding","index":1,"embedding":%s}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}`, vector, vector)
		s.m.Script(modelserver.JSON(answer))
		for i, cache := range []string{"miss", "hit"} {
			had := len(s.m.Requests())
			r := s.Post("red", "/v1/embeddings", `{"model":"model-a","input":["to ana@example.com","b"]`+form+`}`)
			if r.Status != 200 || r.Body != answer || r.Header.Get("X-Sluice-Cache") != cache {
				t.Errorf("%s: %d %s %s", form, r.Status, r.Header.Get("X-Sluice-Cache"), r.Body)
			}
			if sent := s.last(had); i == 0 && sent != `{"model":"model-a","input":["to [EMAIL_1]","b"]`+form+`}` {
				t.Errorf("%s: sent %s", form, sent)
			}
		}
	}
	f(``, `[0.0100,-1e-7,4111111111111111]`)
	f(`,"encoding_format":"float"`, `[0.1,-0.2]`)
	f(`,"encoding_format":"base64"`, `"4111111111111111AACAPwAAAEAAAEBA"`) // what would be a card's number in a text
}

// One model is told of to those who may use it; to others it does not exist.
func TestOneModel(t *testing.T) {
	m := modelserver.New(t)
	kept := strings.NewReplacer("models:\n", "", "model-a", "meta/model-restricted").Replace(model(m))
	s := besiegeWith(t, m, gateway.Callers+model(m)+kept+gateway.Rest, nil)
	f := func(path, version string, status int, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.Key("red"))
		if version != "" {
			req.Header.Set("Anthropic-Version", version)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, _ := io.ReadAll(resp.Body); resp.StatusCode != status || !strings.HasPrefix(string(b), want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, b)
		}
	}
	const unknown = `{"error":{"message":"Unknown model: `
	f("/v1/models/model-a", "", 200, `{"id":"model-a","object":"model","created":`)
	f("/v1/models/model-a", "2023-06-01", 200, `{"type":"model","id":"model-a","display_name":"model-a"`)
	f("/v1/models/meta/model-restricted", "", 404, unknown+`meta/model-restricted"`)
	f("/v1/models/meta%2Fmodel-restricted", "", 404, unknown+`meta/model-restricted"`)
	f("/v1/models/nothing", "", 404, unknown+`nothing"`)
	f("/v1/models/", "", 404, `{"error":{"message":"no such path`)
	f("/v1/chat%2Fcompletions", "", 404, `{"error":{"message":"no such path`)
}
