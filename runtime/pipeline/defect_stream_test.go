package pipeline_test

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/reuse"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/anthropic"
	"github.com/sluicegate/sluice/runtime/wire/inference"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// defect panics in one place, at one step of a stream where there are several.
type defect struct {
	at   string
	step int
	keys atomic.Int64 // how many exchanges are about to join a flight, or to begin one
}

func (d *defect) pass(at string, step int) {
	if d.at == at && (d.step == 0 || step == d.step) {
		panic("a defect of the gateway: " + at)
	}
}

// faultySurface has a defect in itself, where its caller leads, or in its format.
type faultySurface struct {
	exchange.Surface
	d    *defect
	lead bool
}

func (f faultySurface) Parse(body []byte, l strictjson.Limits) (*wire.Request, error) {
	req, err := f.Surface.Parse(body, l)
	if err == nil {
		req.Format = faultyFormat{req.Format, f.d}
	}
	return req, err
}

func (f faultySurface) Answer(dst []byte, x *exchange.Exchange, a *wire.Answer) []byte {
	if f.lead {
		f.d.pass("write", 0)
	}
	return f.Surface.Answer(dst, x, a)
}

func (f faultySurface) Event(dst []byte, x *exchange.Exchange, ev *wire.Event) []byte {
	if f.lead && strings.Contains(string(ev.Doc.Append(nil)), "two") {
		f.d.pass("write", 0)
	}
	return f.Surface.Event(dst, x, ev)
}

func (f faultySurface) Error(dst []byte, fault *wire.Fault) []byte {
	f.d.pass("fault", 0)
	return f.Surface.Error(dst, fault)
}

func (f faultySurface) ErrorEvent(dst []byte, fault *wire.Fault) []byte {
	f.d.pass("fault", 0)
	return f.Surface.ErrorEvent(dst, fault)
}

// faultyFormat reads an event in the first step, and one of the word two in the second.
type faultyFormat struct {
	wire.Format
	d *defect
}

func (f faultyFormat) Render(dst []byte, r *wire.Request, how wire.Rendering) []byte {
	if how.OmitStream {
		f.d.keys.Add(1)
	} else if how.Usage || !r.Stream {
		f.d.pass("render", 0)
	}
	return f.Format.Render(dst, r, how)
}

func (f faultyFormat) Answer(body []byte) (*wire.Answer, error) {
	f.d.pass("read", 0)
	return f.Format.Answer(body)
}

func (f faultyFormat) Event(data []byte) (*wire.Event, error) {
	if f.d.pass("read", 1); bytes.Contains(data, []byte("two")) {
		f.d.pass("read", 2)
	}
	ev, err := f.Format.Event(data)
	if err == nil {
		ev.Format = f
	}
	return ev, err
}

func (f faultyFormat) Carry(like *wire.Event, lane wire.Lane, text []byte) (*wire.Event, error) {
	f.d.pass("filter", 0)
	return f.Format.Carry(like, lane, text)
}

func (f faultyFormat) Number(ev *wire.Event, n int) {
	f.d.pass("leave", n+1)
	if numbered, ok := f.Format.(wire.Numbered); ok {
		numbered.Number(ev, n)
	}
}

// faultyServer is the way to a model server, with a defect.
type faultyServer struct {
	upstream.Caller
	d *defect
}

func (f faultyServer) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	f.d.pass("call", 0)
	reply, err := f.Caller.Call(ctx, c)
	if err == nil && reply.Events != nil {
		reply.Events = &faultyEvents{Events: reply.Events, d: f.d}
	}
	return reply, err
}

type faultyEvents struct {
	upstream.Events
	d    *defect
	next int
}

func (f *faultyEvents) Next() ([]byte, error) {
	data, err := f.Events.Next()
	f.next++
	f.d.pass("next", f.next)
	return data, err
}

func (f *faultyEvents) Ready() bool {
	f.d.pass("ready", 0)
	return f.Events.Ready()
}

func (f *faultyEvents) Close() error {
	defer f.d.pass("close", 0)
	return f.Events.Close()
}

// seat is a caller at a desk that looks at what comes.
type seat struct {
	desk
	d       *defect
	id      string
	first   sync.Once
	some    chan struct{} // closed when text has come
	aborted bool
}

func (s *seat) note(headers []pipeline.Header) {
	for _, h := range headers {
		if h.Name == "X-Request-Id" {
			s.id = h.Value
		}
	}
}

func (s *seat) Reply(status int, headers []pipeline.Header, body []byte) error {
	s.note(headers)
	if s.d != nil {
		s.d.pass("reply", 0)
	}
	return s.desk.Reply(status, headers, body)
}

func (s *seat) Begin(headers []pipeline.Header) error {
	s.note(headers)
	return s.desk.Begin(headers)
}

func (s *seat) Send(p []byte) error {
	if bytes.Contains(p, []byte("one")) {
		s.first.Do(func() { close(s.some) })
	}
	return s.desk.Send(p)
}

func (s *seat) End(p []byte) error { return s.Send(p) }

func (s *seat) Abort() { s.aborted = true }

// party is a gateway with a defect and a model server whose stream halts twice: before its first event and behind it.
type party struct {
	*gateway.Gateway
	t        *testing.T
	d        *defect
	m        *modelserver.Server
	endpoint *upstream.Endpoint
	begin    func() // has the model server begin
	more     func() // has it go on
	running  sync.WaitGroup
	asked    int // requests that the model server had before, and records that there were
	recorded int
}

func newParty(t *testing.T) *party {
	p := &party{t: t, d: &defect{}, m: modelserver.New(t)}
	p.Gateway = gateway.Start(t, gateway.Callers+gateway.Model(p.m.URL())+gateway.Rest)
	caller, err := provider.New("openai", provider.Options{URL: p.m.URL()})
	if err != nil {
		t.Fatal(err)
	}
	p.endpoint = upstream.NewEndpoint(upstream.EndpointOptions{Name: "one", Weight: 1, MaxInFlight: 8, Caller: faultyServer{caller, p.d}})
	t.Cleanup(func() {
		_ = p.endpoint.Close()
		_ = caller.(interface{ Close() error }).Close()
	})
	pool, err := upstream.NewPool(upstream.PoolOptions{Model: "model-a", Endpoints: []*upstream.Endpoint{p.endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	p.Control.Pipeline().Current().Models["model-a"].Pool = pool
	return p
}

// gets has the party get a defect.
func (p *party) gets(at string, step int) {
	p.d.at, p.d.step = at, step
	p.d.keys.Store(0)
	p.asked = len(p.m.Requests())
	begin, more := make(chan struct{}), make(chan struct{})
	p.begin, p.more = sync.OnceFunc(func() { close(begin) }), sync.OnceFunc(func() { close(more) })
	p.t.Cleanup(p.begin)
	p.t.Cleanup(p.more)
	p.m.Script(func(w http.ResponseWriter, r *http.Request, body []byte) {
		<-begin
		if !bytes.Contains(body, []byte(`"stream":true`)) {
			modelserver.Answer("one two")(w, r, body)
			return
		}
		modelserver.Events(0, modelserver.Delta("one "))(w, r, body)
		<-more
		held := strings.Replace(modelserver.Delta("bob@corp."), `"content"`, `"refusal"`, 1) // no event before it can carry it
		modelserver.Events(0, modelserver.Delta("two "), held, modelserver.Finish, "[DONE]")(w, r, body)
	})
}

// seat has a caller ask.
func (p *party) seat(surface exchange.Surface, body string, lead bool) *seat {
	s := &seat{d: p.d, some: make(chan struct{})}
	body = strings.Replace(body, "hi", "hi "+strconv.Itoa(p.recorded), 1) // no answer of the last party is in the cache
	s.desk = desk{headers: map[string][]string{"X-Api-Key": {p.Key("red")}}, body: []byte(body)}
	p.running.Go(func() {
		ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second) // who is left waiting ends as cancelled
		defer cancel()
		p.Control.Pipeline().Serve(ctx, faultySurface{surface, p.d, lead}, s)
	})
	return s
}

// until waits for something that comes.
func (p *party) until(what string, there func() bool) {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); !there(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal(what)
		}
	}
}

// spared tells whether nothing is left of the exchanges: each has its record, and what they took is given back.
func (p *party) spared(n int, outcomes ...string) {
	p.t.Helper()
	records := p.Records(p.recorded + n)[p.recorded:]
	p.recorded += len(records)
	for _, rec := range records {
		got, _ := rec["outcome"].(string)
		if code, _ := rec["code"].(string); code != "" {
			got += " " + code
		}
		if !strings.Contains(strings.Join(outcomes, ", "), got) {
			p.t.Errorf("%s: record %v, want one of %v", p.d.at, rec, outcomes)
		}
	}
	if n := p.endpoint.InFlight(); n != 0 {
		p.t.Errorf("%s %d: %d calls are counted as under way", p.d.at, p.d.step, n)
	}
	if st := p.Control.Pipeline().Current().Cache.Stats(); st.Flights != 0 {
		p.t.Errorf("%s %d: %d flights are left", p.d.at, p.d.step, st.Flights)
	}
	out := reuse.Out()
	if out["JSON answers"] > 0 { // those in hand at a panic are left to the collector
		delete(out, "JSON answers")
		reuse.Count()
	}
	if len(out) > 0 {
		p.t.Errorf("%s %d: not given back, or twice: %v", p.d.at, p.d.step, out)
	}
}

// internal is the fault of a defect.
func internal(s *seat) *wire.Fault {
	return &wire.Fault{Code: wire.Internal, Message: "internal error", Request: s.id}
}

var surfaces = map[string]struct {
	exchange.Surface
	body string
}{
	"chat":      {openai.ChatSurface(), `{"model":"model-a","messages":[{"role":"user","content":"hi"}]`},
	"responses": {openai.ResponsesSurface(), `{"model":"model-a","input":"hi"`},
	"messages":  {anthropic.MessagesSurface(), `{"model":"model-a","max_tokens":9,"messages":[{"role":"user","content":"hi"}]`},
	"inference": {inference.Surface(), `{"model_name":"model-a","inputs":"hi"`},
}

// Wherever the way to an answer has a defect, before it has begun: all who wait for it, in whatever form, get the error of
// their surface, and nothing is left.
func TestDefectBeforeTheAnswer(t *testing.T) {
	p := newParty(t)
	f := func(surface, at string, step int, stream bool) {
		t.Helper()
		s := surfaces[surface]
		p.gets(at, step)
		body := s.body + "}"
		if stream {
			body = s.body + `,"stream":true}`
		}
		callers := []*seat{p.seat(s.Surface, body, true)}
		if at != "render" && at != "call" {
			p.until("the model server hears nothing", func() bool { return len(p.m.Requests()) > p.asked })
		}
		callers = append(callers, p.seat(s.Surface, body, false), p.seat(s.Surface, s.body+"}", false))
		p.until("they do not come to an answer", func() bool { return p.d.keys.Load() == 3 })
		time.Sleep(10 * time.Millisecond) // they have joined by then, or else lead flights of their own, which end alike
		p.begin()
		p.more()
		p.running.Wait()
		for i, c := range callers {
			if want := string(s.Error(nil, internal(c))); c.status != 500 || c.out.String() != want || c.aborted {
				t.Errorf("%s, %s %d, stream %v: caller %d has %d %s, want %s", surface, at, step, stream, i, c.status, c.out.String(), want)
			}
		}
		p.spared(3, "failed internal")
	}
	for name := range surfaces {
		f(name, "read", 0, false)
		f(name, "read", 1, true)
	}
	f("chat", "render", 0, false)
	f("chat", "render", 0, true)
	f("chat", "call", 0, false)
	f("chat", "call", 0, true)
	f("chat", "next", 1, true)
	f("chat", "leave", 1, true)
}

// A defect in the middle of a stream ends it for its leader, and for who follows, with the error event of their surface.
func TestDefectInAStream(t *testing.T) {
	p := newParty(t)
	f := func(surface, at string, step int, follow bool) {
		t.Helper()
		s := surfaces[surface]
		p.gets(at, step)
		p.begin()
		begun := func() *seat {
			c := p.seat(s.Surface, s.body+`,"stream":true}`, true)
			select {
			case <-c.some:
			case <-time.After(20 * time.Second):
				t.Fatal("no text comes")
			}
			return c
		}
		callers := []*seat{begun()}
		if follow {
			callers = append(callers, begun())
		}
		p.more()
		p.running.Wait()
		for i, c := range callers {
			got := c.out.String()
			if want := string(s.ErrorEvent(nil, internal(c))); c.status != 200 || !strings.HasSuffix(got, want) || strings.Contains(got, "bob@corp.") {
				t.Errorf("%s, %s %d: caller %d of %d has %d %s, want %s at the end", surface, at, step, i, len(callers), c.status, got, want)
			}
		}
		if n := len(p.m.Requests()) - p.asked; n != 1 {
			t.Errorf("%s, %s %d, followed %v: %d requests reached the model server", surface, at, step, follow, n)
		}
		p.spared(len(callers), "truncated internal")
	}
	for name := range surfaces {
		f(name, "read", 2, false)
		f(name, "read", 2, true)
	}
	for _, follow := range []bool{false, true} {
		f("chat", "next", 2, follow)
		f("chat", "filter", 0, follow)
		f("chat", "leave", 2, follow)
		f("inference", "write", 0, follow)
	}
}

// What goes wrong around an answer ends no more than its own exchange, and that in no good order where the caller might take
// what it has for an answer.
func TestDefectAroundTheAnswer(t *testing.T) {
	p := newParty(t)
	f := func(at, model string, stream bool, status int, aborted bool, outcome string) *seat {
		t.Helper()
		p.gets(at, 0)
		p.begin()
		p.more()
		body := `{"model":"` + model + `","messages":[{"role":"user","content":"hi"}]}`
		if stream {
			body = `{"stream":true,` + body[1:]
		}
		c := p.seat(openai.ChatSurface(), body, true)
		p.running.Wait()
		if c.status != status || c.aborted != aborted {
			t.Errorf("%s, stream %v: %d %s, aborted %v", at, stream, c.status, c.out.String(), c.aborted)
		}
		p.spared(1, outcome)
		return c
	}
	if c := f("write", "model-a", false, 500, false, "failed internal"); c.out.String() != string(openai.ChatSurface().Error(nil, internal(c))) {
		t.Errorf("a whole answer: %s", c.out.String())
	}
	f("reply", "model-a", false, 0, true, "truncated internal")
	f("fault", "nobody", false, 0, true, "rejected unknown_model")
	if c := f("close", "model-a", true, 200, false, "complete"); !strings.HasSuffix(c.out.String(), "[DONE]\n\n") {
		t.Errorf("a stream whose connection is not closed well: %s", c.out.String())
	}
	if c := f("ready", "model-a", true, 500, false, "failed internal"); c.out.String() != string(openai.ChatSurface().Error(nil, internal(c))) {
		t.Errorf("a stream that nobody can tell is ready: %s", c.out.String())
	}
}
