package upstream

import (
	"math"
	"strings"
	"testing"
)

func TestReadLoad(t *testing.T) {
	f := func(page string, want float64, ok bool) {
		t.Helper()
		if got, has := readLoad([]byte(page), []string{"vllm:num_requests_waiting", "b"}); got != want || has != ok {
			t.Errorf("%q: got %v, %v, want %v, %v", page, got, has, want, ok)
		}
	}
	f("", 0, false)
	f("vllm:num_requests_waiting 3", 3, true)
	f("vllm:num_requests_waiting{engine=\"0\",model_name=\"a b\"} 3.0\r\nvllm:num_requests_waiting{engine=\"1\"}\t2 1700000000000\nb 1\n", 6, true)
	f("# vllm:num_requests_waiting 3\nvllm:num_requests_waiting_total 4\nnum_requests_waiting 5\n", 0, false)
	f(`b{x="}\"} 7"} 2`, 2, true)
	f(`b{x="a"} 2 # {trace="}"} 9`, 2, true)
	f("b NaN\nb -1\nb +Inf\nb 1e999\nb\nb {\nb{\nb x\n", 0, false)
	f("b 0", 0, true)
	f("  b 4", 4, true)
}

func FuzzReadLoad(f *testing.F) {
	f.Add("b{x=\"}\\\"\"} 2\nb 1 2\n# b\n")
	f.Add("b{\nb\"} 1")
	f.Fuzz(func(t *testing.T, page string) {
		got, ok := readLoad([]byte(page), []string{"b"})
		if got < 0 || math.IsNaN(got) || ok && !strings.Contains(page, "b") {
			t.Errorf("%q: %v, %v", page, got, ok)
		}
	})
}
