package pipeline_test

import (
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// BenchmarkKept takes streams of 200 deltas through the pipeline, whose ids are left alone or, where the response is stored,
// minted in every event.
func BenchmarkKept(b *testing.B) {
	m := modelserver.New(b, modelserver.Responses(strings.Repeat("word ", 200)))
	g := gateway.StartWith(b, gateway.Callers+strings.Replace(gateway.Model(m.URL()), "requires:", "apis: [responses], requires:", 1)+
		strings.Replace(gateway.Rest, `"builtin:default"`, "policy", 1)+"log: {access: false}\n",
		map[string]string{"policy/main.rego": "package sluice\n\ndecision := {\"allowed\": true, \"allow\": {\"store\"}}\n"})
	f := func(name, members string) {
		b.Run(name, func(b *testing.B) {
			d := &desk{headers: map[string][]string{"X-Api-Key": {g.Key("red")}}, body: []byte(`{"model":"model-a","stream":true,"input":"hi"` + members + `}`)}
			b.ReportAllocs()
			for b.Loop() {
				d.out.Reset()
				g.Control.Pipeline().Serve(b.Context(), openai.ResponsesSurface(), d)
			}
			if d.status != 200 {
				b.Fatal(d.status)
			}
		})
	}
	f("not stored", "")
	f("stored", `,"store":true`)
}
