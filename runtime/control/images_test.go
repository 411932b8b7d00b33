package control_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/guest"
	"github.com/sluicegate/sluice/runtime/internal/registry"
)

// push puts a version of ticket under a tag.
func push(t *testing.T, r *registry.Registry, tag, version string) {
	t.Helper()
	if _, err := ticket(t, version, guest.Options{}).Push(t.Context(), r.Image(tag), artifact.Login{}); err != nil {
		t.Fatal(err)
	}
}

// An image is fetched by what its tag stands for. A tag that moves counts when a reload is asked for, and not because some
// file has changed; a registry that is gone changes nothing.
func TestImages(t *testing.T) {
	r := registry.New(t)
	push(t, r, "1", "1.0.0")
	config := strings.Replace(deploying(""), "module: ticket.wasm", "module: \""+r.Image("1")+"\"", 1)
	g := gateway.StartWith(t, config, map[string]string{"policies/main.rego": allow, "filters.d/README": ""})
	wantStates(t, g, "ticket 1.0.0 live")
	if from := g.Control.Filters()[0].Module; !strings.HasPrefix(from, r.Image("@sha256:")) {
		t.Errorf("it is from %s", from)
	}
	push(t, r, "1", "1.1.0")
	watch(t, g)
	g.Write("policies/main.rego", allow+"\n# changed\n")
	until(t, "the policy", func() bool { return generation(g) == 2 })
	wantStates(t, g, "ticket 1.0.0 live")
	reload := func(want string) {
		t.Helper()
		if err := g.Control.Reload(t.Context(), "test"); err != nil {
			t.Error(err)
		}
		wantStates(t, g, want)
	}
	reload("ticket 1.1.0 live, ticket 1.0.0 previous")
	push(t, r, "2", "2.0.0")
	deploy(t, g, control.Deployment{Name: "ticket", Image: r.Image("2")})
	wantStates(t, g, "ticket 2.0.0 live, ticket 1.1.0 previous")
	if _, err := g.Control.Deploy(t.Context(), control.Deployment{Name: "ticket", Image: r.Image("3")}); filter.StageOf(err) != filter.StageRead || !strings.Contains(err.Error(), "does not have it") {
		t.Errorf("no such tag: %v", err)
	}
	r.Tag("1", "application/json", []byte("{}"))
	if err := g.Control.Reload(t.Context(), "test"); filter.StageOf(err) != filter.StageRead || !strings.Contains(err.Error(), "its media type is") {
		t.Errorf("no image: %v", err)
	}
	r.Stop()
	reload("ticket 2.0.0 live, ticket 1.1.0 previous")
	if !strings.Contains(g.Log.String(), "the image could not be asked for, what it was before goes on") {
		t.Error("the log does not tell that the registry is gone")
	}
}

// After a restart without the registry, what was accepted last goes on, from the deploy folder.
func TestImageWithoutRegistry(t *testing.T) {
	r := registry.New(t)
	push(t, r, "1", "1.0.0")
	config := strings.Replace(deploying(""), "module: ticket.wasm", "module: \""+r.Image("1")+"\"", 1)
	g := gateway.StartWith(t, config, map[string]string{"policies/main.rego": allow, "filters.d/README": ""})
	r.Stop()
	if again := restart(t, g); again != "ticket 1.0.0 live" {
		t.Errorf("after a restart: %s", again)
	}
	if err := os.Remove(filepath.Join(g.Dir, "filters.d", ".state.json")); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	if _, err := control.Open(t.Context(), options(g.Dir, &log)); filter.StageOf(err) != filter.StageRead {
		t.Errorf("without anything to go on with: %v", err)
	}
}
