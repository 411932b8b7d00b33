package server_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// The whole gateway over loopback before a model server that takes 80 to 140 ms for each call and so many at once. The load
// is a closed loop: each worker asks, reads the answer, and asks again; one that was refused waits as long as an answer takes.
// What is asked in the first second is not counted: calls that began together end together, until chance has parted them.
//
//	go test ./runtime/server -run '^$' -bench 'Overload|Noisy'

// benchSlots are the calls that may be under way at once.
var benchSlots = []int{4, 8, 32, 64}

// BenchmarkOverload measures what admitted requests take (p99) with as many workers as there are slots, and with three times
// as many, and how soon the others are told that there is no room.
func BenchmarkOverload(b *testing.B) {
	for _, slots := range benchSlots {
		b.Run(fmt.Sprint(slots), func(b *testing.B) {
			l := newLoop(b, slots)
			calm, full := seenBy{}, seenBy{}
			for b.Loop() {
				l.run(&calm, workers{"red", slots, 0})
				l.run(&full, workers{"red", 3 * slots, 0})
			}
			b.ReportMetric(calm.p99("red"), "calm-p99-ms")
			b.ReportMetric(full.p99("red"), "full-p99-ms")
			b.ReportMetric(full.p99("red")/calm.p99("red"), "times")
			b.ReportMetric(quantile(full.refused, 99), "refusal-p99-ms")
			b.ReportMetric(quantile(full.refused, 100), "refusal-max-ms")
			b.ReportMetric(float64(len(full.refused))/float64(len(full.refused)+len(full.took["red"])), "refused-share")
		})
	}
}

// BenchmarkNoisy measures what one tenant's requests take beside a calm tenant, and beside one with three times as many
// workers as there are slots.
func BenchmarkNoisy(b *testing.B) {
	for _, slots := range benchSlots {
		b.Run(fmt.Sprint(slots), func(b *testing.B) {
			l := newLoop(b, slots)
			calm, noisy := seenBy{}, seenBy{}
			quiet := workers{"red", max(slots/8, 1), 100 * time.Millisecond}
			for b.Loop() {
				l.run(&calm, quiet, workers{"blue", slots / 2, 0})
				l.run(&noisy, quiet, workers{"blue", 3 * slots, 0})
			}
			b.ReportMetric(calm.p99("red"), "calm-p99-ms")
			b.ReportMetric(noisy.p99("red"), "noisy-p99-ms")
			b.ReportMetric(noisy.p99("red")/calm.p99("red"), "times")
			b.ReportMetric(float64(len(noisy.took["red"]))/float64(len(calm.took["red"])), "answered-share")
		})
	}
}

// workers are a tenant's.
type workers struct {
	tenant string
	n      int
	pause  time.Duration // between an answer and the next question
}

// seenBy is what workers saw: the times of admitted requests by tenant, and those of refusals, in milliseconds.
type seenBy struct {
	took    map[string][]float64
	refused []float64
}

func (s *seenBy) p99(tenant string) float64 { return quantile(s.took[tenant], 99) }

func quantile(of []float64, percent int) float64 {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return of[min(len(of)*percent/100, len(of)-1)]
}

// loop is a gateway and its clients.
type loop struct {
	b      *testing.B
	g      *gateway.Gateway
	client *http.Client
}

const loopTime, settleTime = 5 * time.Second, time.Second

func newLoop(b *testing.B, slots int) *loop {
	m := modelserver.New(b, func(w http.ResponseWriter, r *http.Request, body []byte) {
		modelserver.Delay(80*time.Millisecond+rand.N(60*time.Millisecond), modelserver.Answer("done"))(w, r, body)
	})
	g := gateway.Start(b, gateway.Callers+fmt.Sprintf(
		"models: [{name: model-a, endpoints: [{name: one, provider: openai, url: %q, max_in_flight: %d}]}]\n", m.URL(), slots)+
		"policy: {path: \"builtin:default\"}\naudit: {path: audit.jsonl}\nlog: {access: false}\n")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}}
	b.Cleanup(client.CloseIdleConnections)
	return &loop{b, g, client}
}

// run has all of them ask for a time.
func (l *loop) run(into *seenBy, all ...workers) {
	if into.took == nil {
		into.took = map[string][]float64{}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	begin := time.Now().Add(settleTime)
	end := begin.Add(loopTime - settleTime)
	for _, w := range all {
		for range w.n {
			wg.Go(func() {
				time.Sleep(rand.N(100 * time.Millisecond))
				for time.Now().Before(end) {
					counts := time.Now().After(begin)
					status, ms := l.ask(w.tenant)
					mu.Lock()
					switch {
					case !counts:
					case status == http.StatusOK:
						into.took[w.tenant] = append(into.took[w.tenant], ms)
					default:
						into.refused = append(into.refused, ms)
					}
					mu.Unlock()
					if status != http.StatusOK {
						time.Sleep(100 * time.Millisecond)
					}
					time.Sleep(w.pause)
				}
			})
		}
	}
	wg.Wait()
}

func (l *loop) ask(tenant string) (status int, ms float64) {
	began := time.Now()
	req, err := http.NewRequest(http.MethodPost, l.g.URL+chatPath, strings.NewReader(ask("hi")))
	if err != nil {
		l.b.Error(err)
		return 0, 0
	}
	req.Header.Set("X-Api-Key", l.g.Key(tenant))
	req.Header.Set("Cache-Control", "no-store")
	resp, err := l.client.Do(req)
	if err != nil {
		l.b.Error(err)
		return 0, 0
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		l.b.Error(err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		l.b.Errorf("status %d", resp.StatusCode)
	}
	return resp.StatusCode, float64(time.Since(began).Microseconds()) / 1000
}
