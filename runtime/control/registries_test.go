package control_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// A registered model is asked for at each reload: its version goes into the path, another version is another answer, and a
// registry that is away leaves the last good generation.
func TestRegisteredModel(t *testing.T) {
	var version atomic.Value
	version.Store("3")
	m := modelserver.New(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		switch v := version.Load().(string); {
		case !strings.HasPrefix(r.URL.Path, "/api/"):
			modelserver.JSON(`{"outputs":[{"name":"of","shape":[1],"datatype":"BYTES","data":["`+r.URL.Path+`"]}]}`)(w, r, body)
		case v == "":
			modelserver.Status(503, `{}`)(w, r, body)
		default:
			modelserver.JSON(`{"model_version":{"name":"churn","version":"`+v+`"}}`)(w, r, body)
		}
	})
	root := strings.TrimSuffix(m.URL(), "/v1")
	config := gateway.Callers + `
model_registries: [{name: ml, kind: mlflow, url: "` + root + `"}]
models:
  - name: churn
    endpoints:
      - {name: one, provider: oip, url: "` + root + `/v2", model: "{id}/versions/{version}", registered: {registry: ml, model: churn, alias: champion}}
` + gateway.Rest
	g := gateway.Start(t, config)
	const ask = `{"inputs":[{"name":"t","shape":[1],"datatype":"BYTES","data":["hi"]}]}`
	f := func(want string) {
		t.Helper()
		if r := g.Post("red", "/v2/models/churn/infer", ask); r.Status != 200 || !strings.Contains(r.Body, want) {
			t.Errorf("%d %s, want %s", r.Status, r.Body, want)
		}
	}
	f("/v2/models/churn/versions/3/infer")
	version.Store("4")
	f("/versions/3/") // from the cache, and nothing was reloaded
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	f("/versions/4/")
	version.Store("")
	if err := g.Control.Reload(t.Context(), "test"); err == nil || !strings.Contains(err.Error(), "models[0].endpoints[0].registered: the registry cannot be asked for model churn") {
		t.Errorf("%v", err)
	}
	f("/versions/4/")
}
