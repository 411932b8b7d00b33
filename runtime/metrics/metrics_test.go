package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

var start = time.Unix(1_800_000_000, 0)

// streamed is an exchange that streamed 11 usage tokens, the first after 200 ms.
func streamed() *exchange.Exchange {
	return &exchange.Exchange{
		Start: start, Operation: wire.ChatCompletions, Model: "model-a", FirstByte: start.Add(200 * time.Millisecond),
		Request: &wire.Request{Stream: true, Model: "model-a"}, Cache: exchange.CacheMiss, Cost: 0.5,
		Usage: wire.Usage{Input: 100, Output: 11, Known: true}, Outcome: exchange.Outcome{Kind: exchange.Complete, Status: 200},
	}
}

// read parses the text form, as a scraper does.
func read(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	var text bytes.Buffer
	if err := m.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(&text)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// series lists a family's series as label="value",... figure; of histograms the figure is count and sum.
func series(f *dto.MetricFamily) []string {
	var out []string
	for _, s := range f.GetMetric() {
		var labels []string
		for _, l := range s.GetLabel() {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
		figure := fmt.Sprint(s.GetCounter().GetValue() + s.GetGauge().GetValue())
		if h := s.GetHistogram(); h != nil {
			figure = fmt.Sprintf("%d %g", h.GetSampleCount(), h.GetSampleSum())
		}
		out = append(out, strings.Join(labels, ",")+" "+figure)
	}
	slices.Sort(out)
	return out
}

func TestObserve(t *testing.T) {
	m := New()
	m.Models([]string{"model-a"})
	m.Observe(streamed(), start.Add(1200*time.Millisecond))
	families := read(t, m)
	f := func(name string, want ...string) {
		t.Helper()
		if got := series(families[name]); !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, want)
		}
	}
	const labels = "gen_ai_operation_name=chat,gen_ai_request_model=model-a"
	f("sluice_exchanges_total", "code=,model=model-a,operation=chat_completions,outcome=complete,stream=true 1")
	f("gen_ai_server_request_duration_seconds", "error_type=,"+labels+" 1 1.2")
	f("gen_ai_server_time_to_first_token_seconds", labels+" 1 0.2")
	f("gen_ai_server_time_per_output_token_seconds", labels+" 1 0.1")
	f("gen_ai_client_token_usage", labels+",gen_ai_token_type=input 1 100", labels+",gen_ai_token_type=output 1 11")
	f("sluice_cost_usd_total", "model=model-a 0.5")
	f("sluice_cache_total", "operation=chat_completions,status=miss 1")
}

// What was paid for once is counted once, however often the cache serves it.
func TestHitsCountNoUsage(t *testing.T) {
	for _, status := range []exchange.CacheStatus{exchange.CacheHit, exchange.CacheCoalesced} {
		m := New()
		x := streamed()
		x.Cache, x.Cost = status, 0
		m.Observe(x, start.Add(time.Second))
		for _, s := range series(read(t, m)["gen_ai_client_token_usage"]) {
			if !strings.HasSuffix(s, " 0 0") {
				t.Errorf("%s: %s", status, s)
			}
		}
	}
}

// The buckets are those of the gen_ai conventions.
func TestBuckets(t *testing.T) {
	m := New()
	m.Models([]string{"model-a"})
	m.Observe(streamed(), start.Add(time.Second))
	families := read(t, m)
	f := func(name string, want ...float64) {
		t.Helper()
		var got []float64
		for _, b := range families[name].GetMetric()[0].GetHistogram().GetBucket() {
			if !math.IsInf(b.GetUpperBound(), 1) {
				got = append(got, b.GetUpperBound())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	f(nameDuration, .01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
	f(nameFirstToken, .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10)
	f(namePerToken, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5)
	f(nameUsage, 1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
}

// No word of a caller becomes a label, whatever code its exchange ends with.
func TestLabelsAreClosed(t *testing.T) {
	m := New()
	m.Models([]string{"model-a"})
	for i := range 1000 {
		x := &exchange.Exchange{Start: start, Operation: wire.ChatCompletions, Request: &wire.Request{Model: fmt.Sprint("caller-", i)}}
		x.Outcome = exchange.Outcome{Kind: exchange.Rejected, Code: []wire.Code{wire.UnknownModel, wire.ClientClosed}[i%2]}
		m.Observe(x, start)
	}
	got := series(read(t, m)["sluice_exchanges_total"])
	if len(got) != 2 || strings.Contains(strings.Join(got, ""), "caller-") || len(m.rows) != 2 {
		t.Errorf("%q, %d rows", got, len(m.rows))
	}
	x := streamed()
	x.Model = "" // not yet routed, but asked for by a name that is configured
	m.Observe(x, start)
	if got := series(read(t, m)["sluice_exchanges_total"]); !strings.Contains(strings.Join(got, "\n"), "model=model-a") {
		t.Errorf("%q", got)
	}
}

func TestKindsAreBounded(t *testing.T) {
	m := New()
	for range 2 {
		for i := range 200 {
			m.Redacted("request", map[string]int{fmt.Sprint("kind", i): 1})
		}
	}
	got := series(read(t, m)["sluice_redactions_total"])
	if len(got) != maxKinds+1 || !slices.Contains(got, "direction=request,kind=other 272") {
		t.Errorf("%d series: %q", len(got), got)
	}
}

func TestEvents(t *testing.T) {
	m := New()
	m.Reload(true, 3)
	m.Reload(false, 3)
	m.Retired(2)
	m.Refused(wire.Overloaded)
	m.Attempt(exchange.Attempt{Model: "model-a", Endpoint: "one"})
	m.Attempt(exchange.Attempt{Model: "model-a", Endpoint: "one", Code: wire.UpstreamTimeout})
	m.Gauge("sluice_g", "A gauge.", func() float64 { return 7 })
	m.Counter("sluice_c_total", "A counter.", func() float64 { return 8 })
	m.Counters("sluice_v_total", "Counters.", []string{"filter"}, func(add func(float64, ...string)) { add(1, "a"); add(2, "b") })
	m.Gauges("sluice_w", "Gauges.", []string{"filter"}, func(add func(float64, ...string)) { add(3, "a") })
	m.Histograms("sluice_h", "Histograms.", []string{"filter"}, func(add func(Buckets, ...string)) {
		add(Buckets{Bounds: []float64{1, 2}, Counts: []uint64{4, 2, 1}, Sum: 9}, "a")
	})
	families := read(t, m)
	f := func(name string, kind dto.MetricType, want ...string) {
		t.Helper()
		if got := series(families[name]); !slices.Equal(got, want) || families[name].GetType() != kind || families[name].GetHelp() == "" {
			t.Errorf("%s: %q %v, want %q", name, got, families[name].GetType(), want)
		}
	}
	f("sluice_reloads_total", dto.MetricType_COUNTER, "result=installed 1", "result=refused 1")
	f("sluice_generation", dto.MetricType_GAUGE, " 3")
	f("sluice_generations_retired", dto.MetricType_GAUGE, " 2")
	f("sluice_refused_total", dto.MetricType_COUNTER, "code=overloaded 1")
	f("sluice_upstream_attempts_total", dto.MetricType_COUNTER, "code=ok,endpoint=one,model=model-a 1",
		"code=upstream_timeout,endpoint=one,model=model-a 1")
	f("sluice_g", dto.MetricType_GAUGE, " 7")
	f("sluice_c_total", dto.MetricType_COUNTER, " 8")
	f("sluice_v_total", dto.MetricType_COUNTER, "filter=a 1", "filter=b 2")
	f("sluice_w", dto.MetricType_GAUGE, "filter=a 3")
	h := families["sluice_h"].GetMetric()[0].GetHistogram()
	if b := h.GetBucket(); h.GetSampleCount() != 7 || h.GetSampleSum() != 9 || len(b) != 3 || b[0].GetCumulativeCount() != 4 || b[1].GetCumulativeCount() != 6 {
		t.Errorf("histogram %v", h)
	}
	if families["go_goroutines"] == nil || families["process_open_fds"] == nil {
		t.Error("the process's own metrics are missing")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestWriteTextError(t *testing.T) {
	if err := New().WriteText(broken{}); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("%v", err)
	}
}

// Observe stands on the way of every exchange.
func TestObserveAllocations(t *testing.T) {
	m := New()
	m.Models([]string{"model-a"})
	x := streamed()
	if n := testing.AllocsPerRun(1000, func() { m.Observe(x, start.Add(time.Second)) }); n >= 3 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	m := New()
	m.Models([]string{"model-a"})
	x := streamed()
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(x, start.Add(time.Second))
	}
}
