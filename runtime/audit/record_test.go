package audit

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

var whole = Record{
	ID: "8b7c", Kind: "exchange", Start: time.Unix(1_800_000_000, 5e6), End: time.Unix(1_800_000_001, 0),
	Principal: &exchange.Principal{ID: "key:app", Tenant: "search", Method: "key"}, ClientIP: netip.MustParseAddr("192.0.2.7"),
	Operation: wire.ChatCompletions, Stream: true, ModelAsked: "auto", Model: "model-a", Endpoint: "one", DecisionID: "d-1",
	Policy: "abc123", Reasons: []string{"a", "b"}, Filters: []exchange.FilterRun{{Name: "redact", Version: "1.2.0", Digest: "00ff"}, {Name: "prompt"}},
	Generation: 3, Redacted: map[string]int{"email": 2, "card": 1}, RedactedIn: map[string]int{"iban": 1},
	Attempts: []exchange.Attempt{
		{Model: "model-a", Endpoint: "zero", Code: wire.UpstreamUnreachable, Duration: 1500 * time.Microsecond},
		{Model: "model-a", Endpoint: "one", Status: 200, Duration: time.Second},
	},
	Usage: wire.Usage{Input: 10, Output: 20, Cached: 5, Known: true}, Cost: 0.00002, Cache: exchange.CacheMiss,
	Outcome: exchange.Outcome{Kind: exchange.Complete, Status: 200}, Notes: map[string]string{"team": "größe", "a": "1"},
}

func TestRecord(t *testing.T) {
	const want = `{"kind":"exchange","id":"8b7c","start":"2027-01-15T08:00:00.005Z","end":"2027-01-15T08:00:01Z",` +
		`"principal":"key:app","tenant":"search","auth":"key","client_ip":"192.0.2.7","operation":"chat_completions","stream":true,` +
		`"model_asked":"auto","model":"model-a","endpoint":"one","decision_id":"d-1","policy":"abc123","reasons":["a","b"],` +
		`"filters":[{"name":"redact","version":"1.2.0","digest":"00ff"},{"name":"prompt"}],"generation":3,` +
		`"redacted_request":{"card":1,"email":2},"redacted_answer":{"iban":1},` +
		`"attempts":[{"model":"model-a","endpoint":"zero","code":"upstream_unreachable","us":1500},` +
		`{"model":"model-a","endpoint":"one","status":200,"us":1000000}],` +
		`"usage":{"input":10,"output":20,"cached":5},"cost_usd":2e-05,"cache":"miss","outcome":"complete","status":200,` +
		`"notes":{"a":"1","team":"größe"}}` + "\n"
	if got := string(whole.append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRecordLeavesOutWhatIsNot(t *testing.T) {
	f := func(r Record, want string) {
		t.Helper()
		if got := string(r.append(nil)); got != want+"\n" {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(Record{}, `{}`)
	f(Record{Kind: "sum", Count: 7}, `{"kind":"sum","count":7}`)
	f(Record{Usage: wire.Usage{Known: true}, Cost: math.Inf(1)}, `{"usage":{}}`)
	f(Record{Redacted: map[string]int{"email": 0}}, `{"redacted_request":{"email":0}}`)
}

// Whatever the texts are, the record is one line of JSON that encoding/json reads as it was meant.
func FuzzRecord(f *testing.F) {
	f.Add("model-a", "code", "note", int64(3), 0.5)
	f.Add("\x00\"\\\n\u2028\xff", "</script>", "\U0001f600", int64(-1), math.MaxFloat64)
	f.Fuzz(func(t *testing.T, model, key, value string, n int64, cost float64) {
		r := whole
		r.ModelAsked, r.Reasons, r.Count, r.Cost = model, []string{key, value}, n, cost
		r.Notes, r.Redacted = map[string]string{key: value}, map[string]int{key: int(n)}
		r.Filters, r.Principal = []exchange.FilterRun{{Name: key, Digest: value}}, &exchange.Principal{ID: value, Tenant: key}
		line := string(r.append(nil))
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") || !utf8.ValidString(line) {
			t.Fatalf("not one line: %q", line)
		}
		var got struct {
			Asked    string `json:"model_asked"`
			Reasons  []string
			Notes    map[string]string
			Redacted map[string]int `json:"redacted_request"`
			Filters  []struct{ Name, Digest string }
			Count    int64
			Tenant   string
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		k, v := valid(key), valid(value)
		if got.Asked != valid(model) || got.Reasons[0] != k || got.Reasons[1] != v || got.Notes[k] != v ||
			got.Redacted[k] != int(n) || got.Filters[0].Name != k || got.Filters[0].Digest != v || got.Count != n || got.Tenant != k {
			t.Errorf("read back as %+v: %s", got, line)
		}
	})
}

// valid is s as JSON can hold it: each byte that is not UTF-8 becomes U+FFFD.
func valid(s string) string { return string([]rune(s)) }

func BenchmarkRecord(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = whole.append(buf[:0])
	}
}

func BenchmarkCommit(b *testing.B) {
	l, err := New(Options{Path: b.TempDir() + "/audit.jsonl", Queue: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if s, ok := l.Reserve(); ok {
			s.Commit(&whole)
		}
	}
	if err := l.Close(); err != nil {
		b.Error(err)
	}
}
