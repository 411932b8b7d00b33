package control

import (
	"reflect"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/filter"
)

// Every limit and the isolation of the configuration reach the engine. A limit that is added here and forgotten there
// would be zero in the Spec.
func TestFilterSpec(t *testing.T) {
	cfg := config.DefaultFilter("f")
	cfg.Isolation = "tenant"
	cfg.Limits = config.FilterLimits{
		Memory: 2 << 20, Output: 3, Labels: 4, Logs: 5, Time: 6 * time.Millisecond, Base: 7 * time.Millisecond, PerByte: 8,
		Instances: 9, Idle: 10 * time.Second, Held: 11, Lanes: 12, Open: 13,
	}
	limits := reflect.ValueOf(cfg.Limits)
	for i := range limits.NumField() {
		if limits.Field(i).IsZero() {
			t.Errorf("the test sets no limits.%s", limits.Type().Field(i).Name)
		}
	}
	got := filterSpec(&cfg, nil)
	want := filter.Limits{
		MemoryPages: 32, Output: 3, Labels: 4, Logs: 5, Total: 6 * time.Millisecond, Base: 7 * time.Millisecond, PerByte: 8,
		Instances: 9, Idle: 10 * time.Second, Held: 11, Lanes: 12, Open: 13,
	}
	if got.Limits != want || got.Isolation != filter.IsolateTenant {
		t.Errorf("%+v %q, want %+v", got.Limits, got.Isolation, want)
	}
}
