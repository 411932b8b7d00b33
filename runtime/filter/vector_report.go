package filter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Whole is the Difference.Split of a run whose text was not cut.
const Whole = 0

// TestReport is what a self-test found.
type TestReport struct {
	Name, Digest string
	Hooks        []string
	Vectors      []VectorResult // one for each vector and direction that it ran in
	Restorable   bool           // instances are put back between runs; else each run had a fresh one
	Reasons      []string       // why not
}

// VectorResult is what became of one vector in one direction.
type VectorResult struct {
	Number      int // in its file, from 1
	Name        string
	On          Direction
	Runs        int           // whole and cut
	Calls       int64         // hooks called
	Units       int64         // fuel
	Time        time.Duration // guest time
	Memory      int           // bytes of linear memory, at most
	Differences []Difference  // empty: passed
	More        int           // splits that differ beside those in Differences
	shown       int
}

// Passed tells whether all runs gave what the vector says.
func (r *VectorResult) Passed() bool { return len(r.Differences) == 0 }

// Difference is one thing that came out other than it should.
type Difference struct {
	Split     int    // Whole, or the byte at which the text was cut
	What      string // text, labels, reject, set, messages, failed (the filter broke a bound), load or hook
	Want, Got string
}

// String is one line: where, what, and the two values around the first byte in which they differ.
func (d *Difference) String() string {
	where := "whole"
	if d.Split != Whole {
		where = fmt.Sprintf("cut at byte %d", d.Split)
	}
	want, got := d.Excerpts()
	return fmt.Sprintf("%s: %s: want %s, got %s", where, d.What, want, got)
}

// Excerpts quotes Want and Got, long ones from a little before the first byte in which they differ.
func (d *Difference) Excerpts() (want, got string) { return around(d.Want, d.Got) }

// around quotes two values, long ones from a little before the first byte in which they differ.
func around(a, b string) (string, string) {
	const before, most = 24, 120
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	cut := func(s string) string {
		from, to := max(0, n-before), len(s)
		if len(s) <= most {
			from = 0
		}
		to = min(to, from+most)
		for from > 0 && !utf8.RuneStart(s[from]) {
			from--
		}
		for to < len(s) && !utf8.RuneStart(s[to]) {
			to++
		}
		q := fmt.Sprintf("%q", s[from:to])
		if from > 0 {
			q = "..." + q
		}
		if to < len(s) {
			q += "..."
		}
		return q
	}
	return cut(a), cut(b)
}

// Failed counts the vectors that failed in a direction or more.
func (r *TestReport) Failed() int {
	failed := map[int]bool{}
	for i := range r.Vectors {
		if !r.Vectors[i].Passed() {
			failed[r.Vectors[i].Number] = true
		}
	}
	return len(failed)
}

// Err is nil where all vectors passed; else it counts those that did not and tells of the first three.
func (r *TestReport) Err() error {
	n := r.Failed()
	if n == 0 {
		return nil
	}
	var told []string
	for i := range r.Vectors {
		v := &r.Vectors[i]
		if !v.Passed() && len(told) < 3 {
			told = append(told, fmt.Sprintf("vector %d (%q) on %s, %s", v.Number, v.Name, v.On, v.Differences[0].String()))
		}
	}
	return fmt.Errorf("the self-test failed in %d vectors: %s", n, strings.Join(told, "; "))
}

// against holds a whole run against what the vector says.
func (o *outcome) against(v *Vector) (out []Difference) {
	add := func(what, want, got string) {
		out = append(out, Difference{What: what, Want: want, Got: got})
	}
	if o.failed != "" {
		add("failed", "ok", o.failed)
		return out
	}
	if o.reject != v.Reject {
		add("reject", v.Reject, o.reject)
	}
	if v.Want != nil && o.reject == "" && o.text != *v.Want {
		add("text", *v.Want, o.text)
	}
	if v.Labels != nil && !(len(v.Labels) == 0 && len(o.labels) == 0) && !reflect.DeepEqual(v.Labels, o.labels) {
		add("labels", show(v.Labels), show(o.labels))
	}
	if v.Set != nil && !sameSet(v.Set, o.set) {
		add("set", showSet(v.Set), showSet(o.set))
	}
	if v.Messages != nil && !slices.Equal(v.Messages, o.messages) {
		add("messages", fmt.Sprint(v.Messages), fmt.Sprint(o.messages))
	}
	return out
}

// differs tells in what a run differs from the whole one; nil: in nothing.
func (o *outcome) differs(whole *outcome) *Difference {
	switch {
	case o.failed != whole.failed:
		return &Difference{What: "failed", Want: whole.failed, Got: o.failed}
	case o.reject != whole.reject:
		return &Difference{What: "reject", Want: whole.reject, Got: o.reject}
	case o.text != whole.text:
		return &Difference{What: "text", Want: whole.text, Got: o.text}
	case !reflect.DeepEqual(o.labels, whole.labels):
		return &Difference{What: "labels", Want: show(whole.labels), Got: show(o.labels)}
	}
	return nil
}

// show writes labels as JSON.
func show(labels map[string]any) string {
	if len(labels) == 0 {
		return "{}"
	}
	b, _ := json.Marshal(labels) // bools, integers and strings
	return string(b)
}

// showSet writes parameters as JSON, as they were set.
func showSet[T ~[]byte](set map[string]T) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(set)) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q: %s", name, set[name])
	}
	return "{" + b.String() + "}"
}

func sameSet(want map[string]json.RawMessage, got map[string][]byte) bool {
	if len(want) != len(got) {
		return false
	}
	for name, value := range want {
		if b, ok := got[name]; !ok || !sameJSON(value, b) {
			return false
		}
	}
	return true
}

// sameJSON compares values: key order and white space do not count, nor how a number is written.
func sameJSON(a, b []byte) bool {
	read := func(b []byte) (v any, ok bool) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		return v, d.Decode(&v) == nil && len(bytes.TrimSpace(b[d.InputOffset():])) == 0
	}
	x, okX := read(a)
	y, okY := read(b)
	return okX && okY && reflect.DeepEqual(plain(x), plain(y))
}

// plain makes numbers comparable: those that a float64 holds exactly enough as one, others as they are written.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && f > -1<<53 && f < 1<<53 {
			return f
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}
