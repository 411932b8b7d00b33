package policies_test

import (
	"context"
	"fmt"
	"os"
	"path"
	"testing"

	"github.com/sluicegate/sluice/policies"
	"github.com/sluicegate/sluice/runtime/policy"
)

func TestShippedPolicyPassesItsOwnTests(t *testing.T) {
	s, err := policy.ReadFS(policies.FS, "policies")
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Test(context.Background(), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Results {
		if !c.Passed {
			t.Errorf("%s:%d: %s: %s", c.File, c.Line, c.Name, c.Message)
		}
	}
	if r.Passed < 20 || r.Coverage < 95 {
		t.Errorf("%d tests cover %.1f %% of the lines, want at least 20 and 95 %%", r.Passed, r.Coverage)
	}
}

func TestShippedPolicyCompiles(t *testing.T) {
	s, err := policy.ReadFS(policies.FS, "policies")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(context.Background(), s, policy.Options{Models: []string{"model-a"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Entries() {
		if len(e.NotMemoised) > 0 {
			t.Errorf("%s is not memoised: %v", e.Rule, e.NotMemoised)
		}
		if len(e.LeftToOPA) > 0 {
			t.Errorf("%s is left to OPA: %s", e.Rule, e.LeftToOPA)
		}
	}
}

// The schemas are written from the code that builds the input and reads the decision. To write them anew, run the tests
// with SLUICE_UPDATE=1.
func TestSchemasAreCurrent(t *testing.T) {
	f := func(name string, want []byte) {
		t.Helper()
		file := path.Join("schemas", name)
		if os.Getenv("SLUICE_UPDATE") != "" {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(file)
		if err != nil || string(have) != string(want) {
			t.Errorf("%s is out of date (%v): run SLUICE_UPDATE=1 go test ./policies", file, err)
		}
	}
	f("input.json", policy.InputSchema())
	f("decision.json", policy.DecisionSchema())
	capabilities, err := policy.Capabilities()
	if err != nil {
		t.Fatal(err)
	}
	f("capabilities.json", capabilities)
}

func ExampleFS() {
	s, err := policy.ReadFS(policies.FS, "policies")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := policy.Compile(context.Background(), s, policy.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range p.Entries() {
		fmt.Println(e.Rule, e.Reads)
	}
	// Output:
	// admit [input.principal.roles input.model]
	// decision [input.principal.roles input.model input.models]
}
