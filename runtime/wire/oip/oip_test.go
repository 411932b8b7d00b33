package oip

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// A body as KServe's specification shows it, with a tensor of text.
const asked = `{"id":"42","inputs":[{"name":"text","shape":[2],"datatype":"BYTES","data":["my mail is bob@corp.example","hi"]}],"outputs":[{"name":"label"}],"parameters":{"priority":1}}`

func TestRequest(t *testing.T) {
	f := func(body string, texts, tensors int) *wire.Request {
		t.Helper()
		r, err := Surface("churn").Parse([]byte(body), strictjson.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if r.Model != "churn" || r.Operation != wire.Infer || len(r.Segments) != texts || r.Opaque["tensor"] != tensors {
			t.Errorf("%s: model %q, %d segments, opaque %v", body, r.Model, len(r.Segments), r.Opaque)
		}
		if got := string(r.Format.Render(nil, r, wire.Rendering{Model: "other"})); got != body {
			t.Errorf("%s leaves as %s", body, got)
		}
		return r
	}
	r := f(asked, 2, 0)
	if s := r.Segments[0]; !s.Prompt || s.Role != wire.RoleUser {
		t.Errorf("%+v", s)
	}
	if err := r.Segments[0].Text.Edit([]strictjson.Edit{{Start: 11, End: 27, With: []byte("[EMAIL_1]")}}); err != nil {
		t.Fatal(err)
	}
	if got, want := string(r.Format.Render(nil, r, wire.Rendering{})), strings.Replace(asked, "bob@corp.example", "[EMAIL_1]", 1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	f(`{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[[1.5,2]]}]}`, 0, 1)
	f(`{"inputs":[{"name":"x","shape":[2],"datatype":"UINT8","data":[104,105]},{"name":"y","shape":[1],"datatype":"BOOL","data":[true]}]}`, 0, 1)
	f(`{"inputs":[{"name":"x","shape":[1,1],"datatype":"BYTES","data":[["nested"]]}]}`, 1, 0)
	f(`{"inputs":[{"name":"a name with spaces","shape":[0],"datatype":"BYTES","data":[]}],"parameters":{"note":"text"}}`, 3, 0)
}

func TestRefusals(t *testing.T) {
	f := func(body string, code wire.Code, param string) {
		t.Helper()
		_, err := Infer.Request([]byte(body), strictjson.Limits{})
		var fault *wire.Fault
		if !errors.As(err, &fault) || fault.Code != code || fault.Param != param {
			t.Errorf("%s: got %v, want %s of %q", body, err, code, param)
		}
	}
	tensor := func(more string) string {
		return `{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES"` + more + `}]}`
	}
	f(`{`, wire.InvalidJSON, "")
	f(`[]`, wire.InvalidRequest, "")
	f(`{}`, wire.MissingField, "inputs")
	f(`{"inputs":"text"}`, wire.InvalidRequest, "inputs")
	f(`{"inputs":["text"]}`, wire.InvalidRequest, "inputs")
	f(`{"inputs":[],"inputs":[]}`, wire.DuplicateKey, "")
	f(`{"Inputs":[],"inputs":[]}`, wire.DuplicateKey, "*")
	f(tensor(`,"parameters":{"shared_memory_region":"r"}`), wire.UnsupportedField, "inputs[0].parameters.shared_memory_region")
	f(tensor(`,"parameters":{"binary_data_size":4}`), wire.UnsupportedField, "inputs[0].parameters.binary_data_size")
	f(`{"inputs":[],"parameters":{"binary_data_output":true}}`, wire.UnsupportedField, "parameters.binary_data_output")
	f(`{"inputs":[],"parameters":{"sequence_id":7}}`, wire.UnsupportedField, "parameters.sequence_id")
	f(`{"inputs":[],"outputs":[{"name":"y","parameters":{"shared_memory_region":"r"}}]}`, wire.UnsupportedField, "outputs[0].parameters.shared_memory_region")
}

func TestAmend(t *testing.T) {
	r, err := Infer.Request([]byte(`{"inputs":[]}`), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := Infer.Amend(r, []wire.Param{{Name: "parameters", Value: []byte(`{"priority":2}`)}}, nil)
	if err != nil || string(body) != `{"inputs":[],"parameters":{"priority":2}}` {
		t.Errorf("%s, %v", body, err)
	}
	for _, refused := range []wire.Param{{Name: "inputs", Value: []byte(`[]`)}, {Name: "x", Value: []byte(`[`)}} {
		if _, err := Infer.Amend(r, []wire.Param{refused}, nil); err == nil {
			t.Errorf("%s was set", refused.Name)
		}
	}
	if _, err := Infer.Amend(r, nil, []wire.Message{{Text: "x"}}); err == nil {
		t.Error("a message was added")
	}
}

// An answer as Triton gives it: its text can be edited, and all else leaves as it came.
func TestAnswer(t *testing.T) {
	const said = `{"model_name":"churn","model_version":"3","id":"42","outputs":[{"name":"label","datatype":"BYTES","shape":[2],"data":["call bob","no"]},{"name":"score","datatype":"FP32","shape":[1],"data":[0.25]}]}`
	a, err := Infer.Answer([]byte(said))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Doc.Release()
	if a.Model != "churn" || len(a.Pieces) != 2 || !a.Pieces[0].Whole {
		t.Fatalf("%q, %d pieces", a.Model, len(a.Pieces))
	}
	a.SetText(0, []byte("call ***"))
	if got, want := string(Surface("churn").Answer(nil, nil, a)), strings.Replace(said, "call bob", "call ***", 1); got != want {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{`{`, `[]`, `{"outputs":"x"}`, `{"error":"out of memory","outputs":[]}`} {
		if _, err := Infer.Answer([]byte(bad)); err == nil {
			t.Errorf("%s is taken for an answer", bad)
		}
	}
}

func TestErrors(t *testing.T) {
	f := func(fault wire.Fault, want string) {
		t.Helper()
		if got := string(Surface("m").Error(nil, &fault)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(wire.Fault{Code: wire.MissingField, Param: "inputs", Message: "none"}, `{"error":"inputs: none","code":"missing_field"}`)
	f(wire.Fault{Code: wire.RejectedByFilter, Message: "no", Reason: "weapons"}, `{"error":"no","code":"rejected_by_filter","reason":"weapons"}`)
}

// What is accepted leaves as the same JSON.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(asked))
	f.Add([]byte(`{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1e-3]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Infer.Request(body, strictjson.Limits{MaxBytes: 1 << 16})
		if err != nil {
			return
		}
		defer r.Doc.Release()
		if !json.Valid(r.Format.Render(nil, r, wire.Rendering{Model: "m"})) {
			t.Errorf("%s leaves broken", body)
		}
	})
}
