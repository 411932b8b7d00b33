package provider_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/provider"
)

// The config refuses a provider's name that it does not list, so its list must be the table's.
func TestConfigListsEveryDialect(t *testing.T) {
	var schema struct {
		Defs map[string]struct {
			Properties map[string]struct{ Enum []string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	listed := schema.Defs["Endpoint"].Properties["provider"].Enum
	if slices.Sort(listed); !slices.Equal(listed, provider.Kinds()) {
		t.Errorf("the config lists %v, the table %v", listed, provider.Kinds())
	}
}
