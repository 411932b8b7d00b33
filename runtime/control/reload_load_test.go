package control_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/guest"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// siege is how hard TestManyReloadsUnderLoad tries: requests a second, streams open all the time, and reloads spread over a
// time.
type siege struct {
	rate, streams, reloads int
	time, pause            time.Duration // pause between the events of a stream
}

// siegeOf reads SLUICE_RELOADS: "full" is what is promised (200 reloads in 60 s under 2,000 requests a second and 500 open
// streams), and a number is the same with another rate. Without it, little is tried.
func siegeOf(t *testing.T) siege {
	t.Helper()
	switch s := os.Getenv("SLUICE_RELOADS"); s {
	case "":
		return siege{rate: 100, streams: 20, reloads: 12, time: 1500 * time.Millisecond, pause: 20 * time.Millisecond}
	case "full":
		return siege{rate: 2000, streams: 500, reloads: 200, time: time.Minute, pause: 500 * time.Millisecond}
	default:
		rate, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("SLUICE_RELOADS is %q: write full, or a number of requests a second", s)
		}
		return siege{rate: rate, streams: 500, reloads: 200, time: time.Minute, pause: 500 * time.Millisecond}
	}
}

// callers is how many send requests side by side.
const callers = 32

// besieged is a gateway under load.
type besieged struct {
	siege
	g        *gateway.Gateway
	client   *http.Client
	t        *testing.T
	begun    time.Time
	over     atomic.Bool  // the reloads are done
	next     atomic.Int64 // requests begun, or waited for by their callers
	sent     atomic.Int64 // of all kinds, answered
	failed   atomic.Int64
	open     atomic.Int64 // streams
	slowest  atomic.Int64 // nanoseconds of a request
	installs map[uint64]installed
}

// installed is what one generation was made of.
type installed struct{ policy, filter, version string }

const besiegedConfig = `auth:
  ephemeral: [{id: red, tenant: red, roles: [developer]}]
models:
  - {name: model-a, endpoints: [{name: one, provider: demo}]}
  - {name: slow, endpoints: [{name: two, provider: openai, url: %q}]}
filters: [{name: ticket, module: ticket.wasm}]
policy: {path: policies, timeout: 20s}
audit: {path: audit.jsonl, queue: 65536}
limits: {depth: %d}
`

func besiegedPolicy(n int) string {
	return fmt.Sprintf("package sluice\n\ndecision := {\"allowed\": true, \"annotations\": {\"version\": \"%d\"}}\n", n)
}

// Reloads of policy, configuration and filters under load fail no request and cut no stream, and every record names exactly
// one generation: the policy, its version and the filter in it are that generation's.
func TestManyReloadsUnderLoad(t *testing.T) {
	s := siegeOf(t)
	m := modelserver.New(t, modelserver.SlowStream(s.pause, "one ", "two ", "three ", "four ", "five ", "six"))
	config := func(depth int) string { return fmt.Sprintf(besiegedConfig, m.URL(), depth) }
	b := &besieged{
		siege: s, t: t, installs: map[uint64]installed{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}},
		g: gateway.StartWith(t, config(64), map[string]string{
			"policies/main.rego": besiegedPolicy(0), "ticket.wasm": string(guest.Module(guest.Options{Tag: "0"})),
		}),
	}
	defer b.client.CloseIdleConnections()
	b.begun = time.Now()
	b.note("0")
	var load sync.WaitGroup
	for range callers {
		load.Go(b.requests)
	}
	for range s.streams {
		load.Go(b.streaming)
	}
	version, fewest := "0", int64(s.streams)
	for n := 1; n <= s.reloads; n++ {
		time.Sleep(time.Until(b.begun.Add(s.time * time.Duration(n) / time.Duration(s.reloads+1))))
		switch n % 3 {
		case 0:
			b.g.Write("sluice.yaml", config(64+n%60))
		case 1:
			version = strconv.Itoa(n)
			b.g.Write("policies/main.rego", besiegedPolicy(n))
		default:
			b.g.Write("ticket.wasm", string(guest.Module(guest.Options{Tag: strconv.Itoa(n)})))
		}
		if err := b.g.Control.Reload(t.Context(), "test"); err != nil {
			t.Error(err)
		}
		b.note(version)
		b.ask("/inference", fmt.Sprintf(`{"model_name":"model-a","inputs":"question of reload %d"}`, n), asked) // so that every generation has a record
		if n > s.reloads/10 {
			fewest = min(fewest, b.open.Load())
		}
	}
	took, begun := time.Since(b.begun), b.next.Load()-callers
	b.over.Store(true)
	load.Wait()
	t.Logf("%d reloads in %v under %.0f requests a second (%d asked for) and at least %d open streams: %d exchanges, %d failed, the slowest request took %v",
		s.reloads, took.Round(time.Millisecond), float64(begun)/took.Seconds(), s.rate, fewest, b.sent.Load(), b.failed.Load(),
		time.Duration(b.slowest.Load()).Round(time.Millisecond))
	b.records(int(b.sent.Load()))
	until(t, "the retired generations", func() bool { return b.g.Control.Pipeline().Expire(time.Hour) == 0 })
}

// note writes down what the generation that is live now was made of.
func (b *besieged) note(version string) {
	st := b.g.Control.Status()
	b.installs[st.Generation] = installed{st.Policy, st.Filters[0].Digest, version}
}

// requests sends its part of the requests, each in its time, until the end.
func (b *besieged) requests() {
	for !b.over.Load() {
		n := b.next.Add(1)
		time.Sleep(time.Until(b.begun.Add(time.Duration(n) * time.Second / time.Duration(b.rate))))
		begun := time.Now()
		b.ask("/inference", fmt.Sprintf(`{"model_name":"model-a","inputs":"question %d"}`, n), asked)
		b.slower(int64(time.Since(begun)))
	}
}

// asked is said of an answer of the demo, which repeats the question.
func asked(text string) bool { return strings.Contains(text, "question") }

// slower keeps the longest time that a request took.
func (b *besieged) slower(took int64) {
	for {
		was := b.slowest.Load()
		if took <= was || b.slowest.CompareAndSwap(was, took) {
			return
		}
	}
}

// streaming keeps one stream open, one after the other, until the end.
func (b *besieged) streaming() {
	for !b.over.Load() {
		b.open.Add(1)
		b.ask("/v1/chat/completions", `{"model":"slow","stream":true,"messages":[{"role":"user","content":"hi"}]}`, func(text string) bool {
			return strings.Contains(text, "six") && strings.HasSuffix(text, "data: [DONE]\n\n") && !strings.Contains(text, `"error"`)
		})
		b.open.Add(-1)
	}
}

// ask makes one exchange, whose answer must be good.
func (b *besieged) ask(path, body string, good func(string) bool) {
	b.sent.Add(1)
	status, text, err := b.post(path, body)
	if err == nil && status == http.StatusOK && good(text) {
		return
	}
	if b.failed.Add(1) <= 5 {
		b.t.Errorf("%s: %d %q %v", path, status, text, err)
	}
}

func (b *besieged) post(path, body string) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.g.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("X-Api-Key", b.g.Key("red"))
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

// records holds every record against the generation that it names.
func (b *besieged) records(n int) {
	b.t.Helper()
	var text []byte
	until(b.t, fmt.Sprint(n, " records"), func() bool {
		var err error
		text, err = os.ReadFile(filepath.Join(b.g.Dir, "audit.jsonl"))
		return err == nil && bytes.Count(text, []byte("\n")) >= n
	})
	seen, bad, lines := map[uint64]int{}, 0, 0
	for line := range bytes.Lines(text) {
		lines++
		var rec struct {
			Generation      uint64
			Outcome, Policy string
			Filters         []struct{ Digest string }
			Notes           map[string]string
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			b.t.Fatal(err)
		}
		seen[rec.Generation]++
		want, known := b.installs[rec.Generation]
		if known && rec.Outcome == "complete" && rec.Policy == want.policy && len(rec.Filters) == 1 && rec.Filters[0].Digest == want.filter && rec.Notes["version"] == want.version {
			continue
		}
		if bad++; bad <= 5 {
			b.t.Errorf("the record %s is not of %+v", line, want)
		}
	}
	if lines != n || len(seen) < b.reloads {
		b.t.Errorf("%d records of %d exchanges, under %d generations", lines, n, len(seen))
	}
}
