package policy_test

import (
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/policy"
)

// Bundles are joined where each has parts of data of its own, and keeps to them.
func TestJoin(t *testing.T) {
	const rego = "package sluice\n\ndecision := {\"allowed\": data.a.x}\n"
	f := func(first, second map[string]string, want string) {
		t.Helper()
		bundles := map[string]policy.Source{}
		for name, files := range map[string]map[string]string{"first": first, "second": second} {
			bodies := map[string][]byte{}
			for path, text := range files {
				bodies[path] = []byte(text)
			}
			src, err := policy.FromFiles("bundle:"+name, bodies)
			if err != nil {
				t.Fatal(err)
			}
			bundles[name] = src
		}
		src, err := policy.Join(bundles)
		if err == nil {
			_, err = policy.Compile(t.Context(), src, policy.Options{Models: []string{"m"}})
		}
		switch {
		case want == "" && (err != nil || src.Revision() != "first=r1 second=r2"):
			t.Error(err, src.Revision())
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%v, want %s", err, want)
		}
	}
	manifest := func(revision, roots string) string { return `{"revision":"` + revision + `","roots":[` + roots + `]}` }
	rules := map[string]string{"main.rego": rego, ".manifest": manifest("r1", `"sluice"`)}
	data := func(roots, path, text string) map[string]string {
		return map[string]string{path: text, ".manifest": manifest("r2", roots)}
	}
	f(rules, data(`"a","b/c"`, "data.json", `{"a":{"x":true},"b":{"c":{"y":1}}}`), "")
	f(rules, data(`"/a/"`, "a/data.json", `{"x":true}`), "")
	f(rules, data(`"a"`, "a/data.yaml", "x: true\n"), "")
	f(rules, data(`"a"`, "data.json", `{"a":{"x":true},"b":1}`), "bundle:second/data.json: data.b is outside of the roots in .manifest")
	f(rules, data(`"a/xy"`, "a/data.json", `{"x":true}`), "data.a.x is outside")
	f(rules, data(`"a/b"`, "data.json", `{"a":1}`), "data.a is outside")
	f(rules, data(`"sluice/more"`, "sluice/more/data.json", `{}`), "bundle:second/.manifest: the bundles first and second both own data.sluice.more")
	f(rules, map[string]string{"data.json": `{}`}, "the bundles first and second both own data.sluice")
	f(map[string]string{"data.json": `{}`}, map[string]string{"data.json": `{}`}, "both own data.*")
	f(data(`"a"`, "a/data.json", `{}`), data(`"b"`, "b/data.json", `{}`), "there is no .rego file in it")
}
