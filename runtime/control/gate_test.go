package control_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/control"
)

// Controllers that share what policies' tests said have them run once for each policy, and a policy whose tests fail is
// refused by each.
func TestTested(t *testing.T) {
	dir := t.TempDir()
	for name, text := range files(t) {
		write(t, filepath.Join(dir, name), text)
	}
	write(t, filepath.Join(dir, "sluice.yaml"), "listen: 127.0.0.1:0\n"+smallest)
	var log strings.Builder
	o := options(dir, &log)
	o.Tested = new(control.Tested)
	f := func(want string, fails string) control.Report {
		t.Helper()
		write(t, filepath.Join(dir, "policies/main_test.rego"), "package sluice_test\n\nimport data.sluice\n\n"+want+" if sluice.decision.allowed\n")
		r, err := control.Check(t.Context(), o, false)
		if fails != "" {
			if err == nil || !strings.Contains(err.Error(), fails) {
				t.Errorf("%s: %v, want %s", want, err, fails)
			}
			return r
		}
		if err != nil || len(r.Tests.Results) != 1 || r.Tests.Results[0].Name != "data.sluice_test."+want {
			t.Fatalf("%s: %v %+v", want, err, r.Tests)
		}
		return r
	}
	first := f("test_allows", "")
	f("test_other", "")
	if again := f("test_allows", ""); again.Tests.Results[0].Duration != first.Tests.Results[0].Duration {
		t.Errorf("the tests ran again: %+v, at first %+v", again.Tests, first.Tests)
	}
	for range 2 {
		f("test_fails if false\n\ntest_more", "the policy's own test data.sluice_test.test_fails fails")
	}
}
