package upstream

import "testing"

func TestReadReport(t *testing.T) {
	f := func(report string, want float64, ok bool) {
		t.Helper()
		if got, has := readReport(report, []string{"named_metrics.num_requests_waiting", "eps"}); got != want || has != ok {
			t.Errorf("%q: got %v, %v, want %v, %v", report, got, has, want, ok)
		}
	}
	f("TEXT named_metrics.kv_cache_usage_perc=0.4, named_metrics.num_requests_waiting=2.0", 2, true)
	f("text named_metrics.num_requests_waiting=2,eps=1", 3, true)
	f("TEXT num_requests_waiting=2", 0, false)
	f("TEXT eps=-1, eps=NaN, eps=, eps, eps=1e999", 0, false)
	f(`JSON {"eps": 1}`, 0, false)
	f("", 0, false)
	f("TEXT", 0, false)
}
