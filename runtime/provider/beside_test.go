package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

const titanModel = "amazon.titan-embed-text-v2:0"

// titan is a gateway's endpoint of a model server that takes one text at a time.
type titan struct {
	*modelserver.Server
	endpoint *upstream.Endpoint
	pool     *upstream.Pool

	mu       sync.Mutex
	at, most int // how many requests it has now, and had at most
}

// count counts n requests more, and gives how many there were at most.
func (s *titan) count(n int) (most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at += n
	s.most = max(s.most, s.at)
	return s.most
}

// embeds begins a model server that answers a text, which is a number n, with the vector [n] and n usage tokens, once hold
// says with which status. What a request waits for there is another one, or the test, and no time.
func embeds(t *testing.T, limit int, hold func(ctx context.Context, s *titan, n int) (status int)) *titan {
	t.Helper()
	s, made := &titan{}, make(chan struct{})
	s.Server = modelserver.New(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		s.count(1)
		var asked struct{ InputText string }
		var n int
		if err := json.Unmarshal(body, &asked); err != nil {
			t.Error(err)
		}
		_, _ = fmt.Sscan(asked.InputText, &n)
		<-made
		status := hold(r.Context(), s, n)
		s.count(-1) // before the answer, after which the next may come
		modelserver.Status(status, fmt.Sprintf(`{"embedding":[%d],"inputTextTokenCount":%d,"message":"SECRET"}`, n, n))(w, r, body)
	})
	s.endpoint = upstream.NewEndpoint(upstream.EndpointOptions{Name: "one", Model: titanModel, Weight: 1, MaxInFlight: limit, Caller: dialBedrock(t, s.Server, "k"), Breaker: upstream.Breaker{Failures: 1, Ejection: time.Hour}})
	pool, err := upstream.NewPool(upstream.PoolOptions{Model: "m", Endpoints: []*upstream.Endpoint{s.endpoint}, Queue: upstream.Queue{Size: 8, Timeout: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	s.pool = pool
	close(made)
	return s
}

// embed asks for the vectors of the texts from..to.
func (s *titan) embed(ctx context.Context, from, to int) (string, error) {
	var texts []string
	for n := from; n <= to; n++ {
		texts = append(texts, fmt.Sprintf(`"%d"`, n))
	}
	call := func([]byte, upstream.Target) *upstream.Call {
		return &upstream.Call{
			Operation: wire.Embeddings, Format: "openai.embeddings", Model: titanModel,
			Body: []byte(`{"model":"` + titanModel + `","input":[` + strings.Join(texts, ",") + `]}`),
		}
	}
	reply, _, err := upstream.Forward(ctx, upstream.Errand{Targets: upstream.Plan([]*upstream.Pool{s.pool}, upstream.Constraint{})}, call, func(exchange.Attempt) {})
	if err != nil {
		return "", err
	}
	return string(reply.Body), nil
}

// vectors is the answer to embed: in the texts' order, with the sum of their usage.
func vectors(from, to int) string {
	var data []string
	sum := 0
	for n := from; n <= to; n++ {
		data = append(data, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[%d]}`, n-from, n))
		sum += n
	}
	return fmt.Sprintf(`{"object":"list","data":[%s],"model":"%s","usage":{"prompt_tokens":%d,"total_tokens":%d}}`, strings.Join(data, ","), titanModel, sum, sum)
}

// gathering lets nobody pass before so many have come; then everybody.
func gathering(size int64) (pass func(context.Context)) {
	var come atomic.Int64
	all := make(chan struct{})
	return func(ctx context.Context) {
		if come.Add(1) == size {
			close(all)
		}
		await(ctx, all)
	}
}

func await(ctx context.Context, c <-chan struct{}) {
	select {
	case <-c:
	case <-ctx.Done():
	}
}

// patient is a context for what takes no time unless it never ends.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Texts that a model takes one at a time leave four at a time, fewer where the endpoint takes fewer, and the answer is in
// their order, whichever was answered first.
func TestBeside(t *testing.T) {
	f := func(limit, texts, want int) {
		t.Helper()
		pass := gathering(int64(want))
		answered := make([]chan struct{}, want+1)
		for i := range answered {
			answered[i] = make(chan struct{})
		}
		s := embeds(t, limit, func(ctx context.Context, s *titan, n int) int {
			if under := s.endpoint.InFlight(); n == 1 && under != want { // the first leaves last, when the others have their places
				t.Errorf("a limit of %d, %d texts: %d places taken, want %d", limit, texts, under, want)
			}
			if pass(ctx); n <= want {
				if n < want { // the last of them is the first to be answered
					await(ctx, answered[n+1])
				}
				close(answered[n])
			}
			return 200
		})
		got, err := s.embed(patient(t), 1, texts)
		if err != nil || got != vectors(1, texts) {
			t.Errorf("a limit of %d, %d texts: %s %v", limit, texts, got, err)
		}
		if most := s.count(0); most != want || len(s.Requests()) != texts || s.endpoint.InFlight() != 0 {
			t.Errorf("a limit of %d, %d texts: %d at once, want %d; %d requests, %d under way at the end", limit, texts, most, want, len(s.Requests()), s.endpoint.InFlight())
		}
	}
	f(0, 11, 4)
	f(0, 3, 3)
	f(0, 1, 1)
	f(9, 128, 4)
	f(3, 11, 3)
	f(2, 11, 2)
	f(1, 5, 1)
}

// A further place goes to whoever waits for one, and not to the next text.
func TestBesideOthersWait(t *testing.T) {
	waits, served := make(chan struct{}), make(chan struct{})
	pass := gathering(2)
	s := embeds(t, 2, func(ctx context.Context, _ *titan, n int) int {
		switch {
		case n <= 2:
			pass(ctx)
			await(ctx, waits)
		case n == 100:
			close(served)
		default: // with both places kept for these, nobody else would ever be served
			await(ctx, served)
		}
		return 200
	})
	ctx := patient(t)
	var callers sync.WaitGroup
	ask := func(from, to int) {
		callers.Go(func() {
			if got, err := s.embed(ctx, from, to); err != nil || got != vectors(from, to) {
				t.Errorf("%d..%d: %s %v", from, to, got, err)
			}
		})
	}
	until := func(ready func() bool) {
		for !ready() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	ask(1, 8)
	until(func() bool { return len(s.Requests()) == 2 })
	ask(100, 100)
	until(func() bool { return s.endpoint.Waiting() == 1 })
	close(waits)
	callers.Wait()
	if most := s.count(0); most != 2 {
		t.Errorf("%d at once", most)
	}
}

// The first failure, or the caller's going away, ends the requests that are under way, and none is begun after it.
func TestBesideFailure(t *testing.T) {
	f := func(name string, code wire.Code, sent bool, end func(cancel func(), n int) (status int)) {
		t.Helper()
		pass := gathering(4)
		left := make(chan struct{}, 4)
		ctx, cancel := context.WithCancel(patient(t))
		defer cancel()
		s := embeds(t, 0, func(ctx context.Context, _ *titan, n int) int {
			pass(ctx)
			if status := end(cancel, n); status != 0 {
				return status
			}
			<-ctx.Done()
			left <- struct{}{}
			return 200
		})
		_, err := s.embed(ctx, 1, 20)
		if got := failure(t, err); got.Code != code || got.BodySent != sent || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %+v", name, got)
		}
		for range 3 {
			await(patient(t), left)
		}
		if len(s.Requests()) != 4 || s.endpoint.InFlight() != 0 {
			t.Errorf("%s: %d requests, %d under way at the end", name, len(s.Requests()), s.endpoint.InFlight())
		}
	}
	refuse := func(at int) func(func(), int) int {
		return func(_ func(), n int) int {
			if n == at {
				return 400
			}
			return 0
		}
	}
	f("in the own place", wire.UpstreamRejected, true, refuse(1))
	f("in a further place", wire.UpstreamRejected, true, refuse(3))
	f("the caller", wire.ClientClosed, true, func(cancel func(), n int) int {
		if n == 2 {
			cancel()
		}
		return 0
	})
}

// An endpoint that was down has one request at a time until it has answered.
func TestBesideProbe(t *testing.T) {
	type round struct {
		status int
		places chan int      // that were taken when the first text's request came
		begun  chan struct{} // it came
	}
	var current atomic.Pointer[round]
	s := embeds(t, 0, func(ctx context.Context, s *titan, n int) int {
		r := current.Load()
		if n == 1 {
			r.places <- s.endpoint.InFlight()
			close(r.begun)
		}
		await(ctx, r.begun)
		return r.status
	})
	f := func(status, want int) {
		t.Helper()
		r := &round{status, make(chan int, 1), make(chan struct{})}
		current.Store(r)
		ctx := patient(t)
		if _, err := s.embed(ctx, 1, 6); (err == nil) != (status == 200) {
			t.Fatal(err)
		}
		select {
		case got := <-r.places:
			if got != want {
				t.Errorf("%d places taken, want %d", got, want)
			}
		case <-ctx.Done():
			t.Fatal("the first text was not asked for")
		}
	}
	f(500, 4)
	f(200, 1)
	f(200, 4)
}

// All of them have the one deadline of the exchange.
func TestBesideDeadline(t *testing.T) {
	s := embeds(t, 0, func(ctx context.Context, _ *titan, _ int) int { <-ctx.Done(); return 200 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.embed(ctx, 1, 20); failure(t, err).Code != wire.UpstreamTimeout {
		t.Error(err)
	}
	if n := len(s.Requests()); n > 4 || s.endpoint.InFlight() != 0 {
		t.Errorf("%d requests, %d under way at the end", n, s.endpoint.InFlight())
	}
}
