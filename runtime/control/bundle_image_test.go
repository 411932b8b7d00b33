package control_test

import (
	"fmt"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/bundles"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/registry"
)

// A registry of images serves a bundle, too: the layer is the archive.
func TestBundleImage(t *testing.T) {
	t.Parallel()
	r := registry.New(t)
	push := func(b bundles.Bundle) {
		layer, config := b.Archive(t), []byte("{}")
		r.Tag("v1", "application/vnd.oci.image.manifest.v1+json", fmt.Appendf(nil, `{"schemaVersion":2,
			"mediaType":"application/vnd.oci.image.manifest.v1+json",
			"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},
			"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":%d}]}`,
			r.Blob(config), len(config), r.Blob(layer), len(layer)))
	}
	push(bundles.Bundle{Files: rules(true, "x"), Revision: "r1"})
	g := gateway.Start(t, gateway.Callers+fmt.Sprintf(`
models: [{name: model-a, endpoints: [{name: one, provider: demo}]}]
policy: {bundle: gateway, timeout: 5s}
audit: {path: audit.jsonl}
opa:
  services: {images: {url: "http://%s", type: oci}}
  bundles: {gateway: {resource: "%s/%s:v1", size_limit_bytes: 30000, polling: {min_delay_seconds: 1, max_delay_seconds: 1}}}
`, r.Host(), r.Host(), registry.Repository))
	if st := g.Control.Status(); st.Policy != "r1" {
		t.Fatalf("%+v %+v", st, st.Bundles)
	}
	files := rules(true, "y")
	push(bundles.Bundle{Files: files, Revision: "r2"})
	wait(t, "the second image", func() bool { return g.Control.Status().Policy == "r2" })
	files["data.json"] = fmt.Sprintf(`{"a":"%030000d"}`, 0)
	push(bundles.Bundle{Files: files, Revision: "r3"})
	wait(t, "the fault", func() bool { return g.Control.Status().Bundles[0].Stage == "size" })
	r.Stop()
	wait(t, "another fault", func() bool { return g.Control.Status().Bundles[0].Stage == "download" })
	if st := g.Control.Status(); !st.Ready() || st.Policy != "r2" {
		t.Fatalf("%+v", st)
	}
}
