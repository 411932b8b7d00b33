package upstream

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// A model server can say with each answer how busy it is, where it is asked to: the load report of ORCA, Open Request Cost
// Aggregation (github.com/cncf/xds, OrcaLoadReport), in the form that vLLM and Triton send as a header field.
const (
	loadField  = "Endpoint-Load-Metrics"
	loadFormat = "Endpoint-Load-Metrics-Format"
	loadText   = "TEXT"
)

// maxReport bounds a report, in bytes.
const maxReport = 2 << 10

// readReport adds up these metrics of a report, such as "TEXT cpu_utilization=0.3, named_metrics.num_requests_waiting=2". It
// tells whether there was any. Values that are no load are passed over, as in readLoad.
func readReport(report string, metrics []string) (load float64, ok bool) {
	format, text, _ := strings.Cut(report, " ")
	if !strings.EqualFold(format, loadText) {
		return 0, false
	}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !slices.Contains(metrics, name) {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil && v >= 0 && v < unreported {
			load, ok = load+v, true
		}
	}
	return load, ok
}

// tells tells whether the endpoint says with its answers how busy it is.
func (e *Endpoint) tells() bool { return e.o.Load != nil && e.o.Load.Page == nil }

// heard takes a load report out of an answer's fields, which go on to the caller.
func (e *Endpoint) heard(fields []Field) []Field {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == loadField })
	if i < 0 {
		return fields
	}
	if e.tells() {
		if load, ok := readReport(fields[i].Value, e.o.Load.Metrics); ok {
			e.record.report(load, time.Now().Add(loadLasts*e.o.Load.withDefaults().Interval))
		}
	}
	return slices.Delete(slices.Clone(fields), i, i+1)
}
