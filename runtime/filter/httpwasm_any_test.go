package filter

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// foreignModule reads the module that an environment variable names, or skips the test.
func foreignModule(t *testing.T, variable string) []byte {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skip(variable + " names no module")
	}
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestAnyHandler takes a request and its answer through any module, and says what became of them:
//
//	SLUICE_HTTP_WASM=module.wasm SLUICE_HTTP_WASM_CONFIG='...' go test -v -run TestAnyHandler ./runtime/filter
//
// It fails where the module does not load, traps, or does what no handler may.
func TestAnyHandler(t *testing.T) {
	s := Spec{
		Name: "any", Module: foreignModule(t, "SLUICE_HTTP_WASM"), Request: true, Answer: true, Whole: WholeBuffer,
		Config: []byte(os.Getenv("SLUICE_HTTP_WASM_CONFIG")), View: os.Getenv("SLUICE_HTTP_WASM_VIEW"),
	}
	h := load(t, s)
	restorable, why := h.Restorable()
	t.Logf("%s; asks for %v; put back between exchanges: %t %v", h.ABI(), h.Features(), restorable, why)
	x := called(t, "hello, is anybody there?")
	p := begin(t, x, h)
	err := p.Request(context.Background())
	var verdict *exchange.Error
	if errors.As(err, &verdict) && verdict.Fault.Code == wire.RejectedByFilter {
		t.Logf("verdict on the request: %d %s: %s", verdict.Fault.HTTPStatus(), verdict.Fault.Reason, verdict.Fault.Message)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("request sent on:\n%s", x.Request.Format.Render(nil, x.Request, wire.Rendering{Model: x.Request.Model}))
	a, err := openai.Chat.Answer(answer("yes, somebody is"))
	if err != nil {
		t.Fatal(err)
	}
	err = p.Answer(context.Background(), a)
	if errors.As(err, &verdict) && verdict.Fault.Code == wire.RejectedByFilter {
		t.Logf("verdict on the answer: %d %s: %s", verdict.Fault.HTTPStatus(), verdict.Fault.Reason, verdict.Fault.Message)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("answer sent on:\n%s", a.Doc.Append(nil))
}

// tckCases are those of the http-wasm technology compatibility kit that concern a guest's own view of a request; the
// others are about what a next handler gets of a changed method, URI or header.
const tckCases = `get_protocol_version get_method/POST get_uri/simple get_uri/simple/escaping get_uri/query get_uri/query/escaping
get_header_values/request/lowercase-key get_header_values/request/mixedcase-key get_header_values/request/not-exists
get_header_values/request/multiple-values get_header_names/request set_header_value/request/new set_header_value/request/existing
add_header_value/request/new add_header_value/request/existing remove_header/request/new remove_header/request/existing
read_body/request/empty read_body/request/small read_body/request/medium read_body/request/large read_body/request/xlarge get_source_addr`

// TestHandlerTCK runs the guest of that kit (github.com/http-wasm/http-wasm-host-go, tck/tck.wasm), which checks by itself
// what it reads:
//
//	SLUICE_HTTP_WASM_TCK=tck.wasm go test -v -run TestHandlerTCK ./runtime/filter
func TestHandlerTCK(t *testing.T) {
	h := load(t, Spec{Name: "tck", Module: foreignModule(t, "SLUICE_HTTP_WASM_TCK"), Request: true, View: ViewFull})
	uris := map[string]string{
		"get_uri/simple": "/simple", "get_uri/simple/escaping": "/simple%26clean",
		"get_uri/query": "/animal?name=panda", "get_uri/query/escaping": "/disney?name=chip%26dale",
	}
	bodies := map[string]int{"small": 5, "medium": 2048, "large": 4096, "xlarge": 5000}
	run := func(id string) (*handling, bool, error) {
		x := ask(t, "red", "hi")
		x.Client = exchange.Client{IP: netip.MustParseAddr("127.0.0.1"), Port: 4100, URI: uris[id], Headers: map[string][]string{
			"X-Httpwasm-Tck-Testid": {id}, "Single-Header": {"value"}, "Multi-Header": {"value1", "value2"}, "A-Header": {"1"}, "B-Header": {"2"}, "Existing-Header": {"old"},
		}}
		if id == "set_method" {
			x.Client.Method = "GET" // it sets POST
		}
		p := begin(t, x, h)
		view := full(x)
		view.shows([]byte(strings.Repeat("a", bodies[id[strings.LastIndexByte(id, '/')+1:]])))
		next, err := p.runs[0].next(context.Background(), view, false)
		p.Close()
		return view, next, err
	}
	for _, id := range strings.Fields(tckCases) {
		view, next, err := run(id)
		_, failed := view.answer.find("x-httpwasm-tck-failed")
		if _, done := view.answer.find("x-httpwasm-tck-handled"); err != nil || !next || failed || !done {
			t.Errorf("%s: next %t, %v, %v", id, next, err, view.answer.fields)
		}
	}
	for _, id := range []string{"set_method", "set_uri/query"} { // what no filter may change
		if _, _, err := run(id); err == nil || !strings.Contains(err.Error(), "no filter changes the request's") {
			t.Errorf("%s: %v", id, err)
		}
	}
}
