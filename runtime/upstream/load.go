package upstream

import (
	"bytes"
	"slices"
	"strconv"
)

// readLoad adds up the values of all series of these metrics in a page in Prometheus' text format (version 0.0.4, or
// OpenMetrics 1.0). It tells whether there was any. Values that are no load (negative, NaN, more than can be) are passed over, as
// are lines that are not of the format.
func readLoad(page []byte, metrics []string) (load float64, ok bool) {
	for line := range bytes.Lines(page) {
		name, rest := cutName(bytes.TrimLeft(line, " \t"))
		if !slices.Contains(metrics, string(name)) {
			continue
		}
		rest, whole := skipLabels(rest)
		fields := bytes.Fields(rest)
		if !whole || len(fields) == 0 {
			continue
		}
		v, err := strconv.ParseFloat(string(fields[0]), 64)
		if err == nil && v >= 0 && v < unreported {
			load, ok = load+v, true
		}
	}
	return load, ok
}

// cutName cuts a line behind the metric's name.
func cutName(line []byte) (name, rest []byte) {
	i := bytes.IndexAny(line, "{ \t")
	if i < 0 {
		return line, nil
	}
	return line[:i], line[i:]
}

// skipLabels gives what stands behind the labels, if there are any: a brace within a quoted value does not end them.
func skipLabels(rest []byte) (behind []byte, whole bool) {
	if len(rest) == 0 || rest[0] != '{' {
		return rest, true
	}
	quoted := false
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '}' && !quoted:
			return rest[i+1:], true
		}
	}
	return nil, false
}
