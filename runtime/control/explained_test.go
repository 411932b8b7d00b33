package control_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

const chosen = `package sluice

admit := {"allowed": true, "filters": ["redact"]}

decision := {
	"allowed": true, "models": ["model-a", "model-b"], "endpoints": {"labels": {"region": "eu"}},
	"cache": {"mode": "read-write", "scope": "tenant"},
}
`

// Why each candidate was tried or not, what the cache went by, and the time of each stage are told, whole and on a hit.
func TestExplainTellsCandidates(t *testing.T) {
	bad := modelserver.New(t, modelserver.Status(http.StatusServiceUnavailable, "{}"))
	g := gateway.StartWith(t, gateway.Callers+fmt.Sprintf(`
models:
  - name: model-a
    endpoints:
      - {name: one, provider: openai, url: %q, labels: {region: eu}}
      - {name: two, provider: demo, labels: {region: us}}
      - {name: three, provider: demo, labels: {region: eu}, requires: [other], weight: 0}
      - {name: four, provider: demo, labels: {region: eu}, weight: 0}
  - {name: model-b, endpoints: [{name: b, provider: demo, labels: {region: eu}}]}
  - {name: model-c, endpoints: [{name: c, provider: demo}]}
filters: [{name: redact, module: "builtin:redact", grants: [principal.tenant]}, {name: other, module: "builtin:redact", required: false}]
policy: {path: p, timeout: 5s, decisions: {path: decisions.jsonl}}
cache: {size: 1MiB}
audit: {path: audit.jsonl}
`, bad.URL()), map[string]string{"p/main.rego": chosen})
	ask := func(n int) control.Explained {
		t.Helper()
		r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"the secret of ana"}`)
		if r.Status != http.StatusOK {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		g.Records(n)
		var e control.Explained
		until(t, "the event and the record", func() bool {
			var err error
			e, err = g.Control.Explain(t.Context(), r.Header.Get("X-Sluice-Decision-Id"))
			return err == nil && e.Record != nil
		})
		if all, err := json.Marshal(e); err != nil || strings.Contains(string(all), "secret") {
			t.Errorf("%s %v", all, err)
		}
		return e
	}
	f := func(e control.Explained, want ...string) {
		t.Helper()
		var got []string
		for _, c := range e.Candidates {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", c.Model, c.Endpoint, c.Fate, c.State, c.Why)))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		k := e.CacheKey
		if k == nil || k.Mode != "read-write" || k.Scope != "tenant" || k.Of != "red" || k.Operation != "inference" || k.Model != "model-a" ||
			len(k.ModelDigest) != 64 || len(k.Filters) != 1 || k.Filters[0].Name != "redact" || !slices.Equal(k.Facts, []string{"principal.tenant"}) {
			t.Errorf("the key is told as %+v", k)
		}
	}
	e := ask(1)
	f(e,
		"model-a one failed ready upstream_error with status 503",
		"model-a four answered spare",
		"model-b b not_reached ready the attempts ended before it",
		"model-a two passed_over labels the decision asks for endpoints with region=eu; it has region=us",
		"model-a three passed_over requires a filter that it requires did not run: it requires other",
		"model-c  not_chosen  the decision does not name the model")
	if e.CacheKey.Status != "miss" {
		t.Errorf("%+v", e.CacheKey)
	}
	var record struct {
		Stages map[string]int64 `json:"stages_us"`
	}
	if err := json.Unmarshal(e.Record, &record); err != nil || len(record.Stages) != 7 {
		t.Errorf("the stages are %v, %v", record.Stages, err)
	}
	f(ask(2), "model-a four cached", "model-c  not_chosen  the decision does not name the model")
}
