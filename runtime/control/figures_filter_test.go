package control

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sluicegate/sluice/runtime/filter"
)

// However many kinds a filter makes up, its series are bounded and none comes twice, which would break the whole page.
func TestAddSpans(t *testing.T) {
	f := func(kinds, wantSeries int, wantOther float64) {
		t.Helper()
		spans := []filter.KindCount{{Kind: "other", Request: 5}}
		for i := range kinds {
			spans = append(spans, filter.KindCount{Kind: fmt.Sprintf("k%d", i), Request: 1, Answer: 2})
		}
		seen, other := map[string]bool{}, 0.0
		addSpans(func(figure float64, values ...string) {
			key := fmt.Sprint(values)
			if seen[key] || len(values) != 4 {
				t.Errorf("%d kinds: %q comes twice", kinds, values)
			}
			if seen[key] = true; slices.Equal(values, []string{"f", "v", "request", "other"}) {
				other = figure
			}
		}, spans, "f", "v")
		if len(seen) != wantSeries || other != wantOther {
			t.Errorf("%d kinds: %d series, %v others; want %d and %v", kinds, len(seen), other, wantSeries, wantOther)
		}
	}
	f(0, 2, 5)
	f(3, 8, 5)
	f(256, 2*maxSpanKinds, 5+256-(maxSpanKinds-1))
}
