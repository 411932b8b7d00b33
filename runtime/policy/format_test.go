package policy_test

import (
	"io/fs"
	"path"
	"testing"

	"github.com/open-policy-agent/opa/v1/format"

	"github.com/sluicegate/sluice/policies"
)

func TestShippedModulesAreFormatted(t *testing.T) {
	err := fs.WalkDir(policies.FS, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".rego" {
			return err
		}
		text, err := fs.ReadFile(policies.FS, name)
		if err != nil {
			return err
		}
		want, err := format.Source(name, text)
		if err != nil {
			return err
		}
		if string(text) != string(want) {
			t.Errorf("%s is not as opa fmt writes it; want:\n%s", name, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
