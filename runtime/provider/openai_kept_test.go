package provider_test

import (
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// What is asked about a response that is kept goes to the response's own path, whatever its id is made of; a server without
// responses is not asked.
func TestOpenAIKept(t *testing.T) {
	m := modelserver.New(t, modelserver.JSON(`{"id":"x"}`))
	c := dial(t, m, provider.Options{APIs: []string{"responses"}})
	f := func(op wire.Operation, body, want string) {
		t.Helper()
		had := len(m.Requests())
		_, err := c.Call(t.Context(), &upstream.Call{Operation: op, Format: openai.KeptName, Model: "m", Body: []byte(body)})
		seen := m.Requests()[had:]
		switch {
		case want == "" && (err == nil || len(seen) > 0):
			t.Errorf("%s: %v, sent %+v", body, err, seen)
		case want != "" && (err != nil || len(seen) != 1 || seen[0].Method+" "+seen[0].Path != want || len(seen[0].Body) > 0):
			t.Errorf("%s: %v, sent %+v, want %s", body, err, seen, want)
		}
	}
	f(wire.GetResponse, `{"response_id":"resp_1"}`, "GET /v1/responses/resp_1")
	f(wire.DeleteResponse, `{"response_id":"resp_1"}`, "DELETE /v1/responses/resp_1")
	f(wire.CancelResponse, `{"response_id":"resp_1"}`, "POST /v1/responses/resp_1/cancel")
	f(wire.ResponseInput, `{"response_id":"r","include":["a.b"],"limit":7,"order":"asc"}`, "GET /v1/responses/r/input_items?include%5B%5D=a.b&limit=7&order=asc")
	f(wire.GetResponse, `{"response_id":"../files/x?y=1#z"}`, "GET /v1/responses/..%2Ffiles%2Fx%3Fy=1%23z")
	f(wire.GetResponse, `{"response_id":"a\r\nX: y"}`, "GET /v1/responses/a%0D%0AX:%20y")
	f(wire.DeleteResponse, `{"response_id":".."}`, "")
	f(wire.DeleteResponse, `{"response_id":""}`, "")

	c = dial(t, m, provider.Options{})
	f(wire.GetResponse, `{"response_id":"resp_1"}`, "")

	m.Script(modelserver.Error(404, ""))
	c = dial(t, m, provider.Options{APIs: []string{"responses"}})
	_, err := c.Call(t.Context(), &upstream.Call{Operation: wire.GetResponse, Format: openai.KeptName, Body: []byte(`{"response_id":"r"}`)})
	if fail := failure(t, err); fail.Code != wire.NotFound || fail.Retry != upstream.RetryNo || fail.Fault().HTTPStatus() != 404 {
		t.Errorf("%v", err)
	}
}
