package bundle

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/bundle"
)

// A delta is applied to the data alone, numbers stay as they are written, and one that cannot be applied is a fault.
func TestPatched(t *testing.T) {
	base := Bundle{Name: "x", Revision: "r1", Files: []File{
		{"a/data.json", []byte(`{"n":12345678901234567890,"l":[1,2]}`)}, {"data.yaml", []byte("b: {c: text}\n")}, {"m.rego", []byte("package a\n")},
	}}
	base.manifest.Init()
	if err := base.finish(); err != nil {
		t.Fatal(err)
	}
	f := func(op, path string, value any, want string) {
		t.Helper()
		delta := &bundle.Bundle{Patch: bundle.Patch{Data: []bundle.PatchOperation{{Op: op, Path: path, Value: value}}}}
		delta.Manifest.Init()
		got, err := patched(t.Context(), &base, delta)
		text := ""
		for _, f := range got.Files {
			text += f.Path + " " + string(f.Body) + "\n"
		}
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, want) {
			t.Errorf("%s, want %s", text, want)
		}
	}
	f("upsert", "/a/m/k", 1, `data.json {"a":{"l":[1,2],"m":{"k":1},"n":12345678901234567890},"b":{"c":"text"}}`+"\nm.rego package a\n")
	f("replace", "/b/c", "new", `"b":{"c":"new"}`)
	f("remove", "/a/l/0", nil, `"l":[2]`)
	f("upsert", "/a/l/9", nil, "out of range")
	f("remove", "/z", nil, "not exist")
	f("upsert", "/", 1, "cannot apply it")
	f("move", "/a", nil, "bad patch operation")
}
