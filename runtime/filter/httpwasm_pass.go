package filter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// handleRequest runs the http-wasm handlers of the chain. They come before every native hook, wherever they stand in the
// chain, so that what they write is read anew, through the strict door, and is then seen by every native filter.
func (p *Pass) handleRequest(ctx context.Context) error {
	for i := range p.runs {
		if r := &p.runs[i]; r.f.hooks&hookHandleRequest != 0 {
			if err := r.failed(ctx, OnRequest, r.handleRequest(ctx)); err != nil {
				return err
			}
		}
	}
	return nil
}

// handleAnswer runs handle_response of the handlers whose handle_request went on, the last one first, as what wraps a
// request unwraps its answer. a is nil where a stream begins that nobody holds back: they learn that there is an answer.
func (p *Pass) handleAnswer(ctx context.Context, a *wire.Answer) error {
	for i := len(p.runs) - 1; i >= 0; i-- {
		if r := &p.runs[i]; r.http != nil && !r.down {
			if err := r.failed(ctx, OnAnswer, r.handleResponse(ctx, a)); err != nil {
				return err
			}
		}
	}
	return nil
}

// failureTime bounds how long a failed exchange may be kept for its handlers.
const failureTime = 100 * time.Millisecond

// handleFailure tells the handlers whose handle_request went on that no answer came (is_error). The exchange is over:
// nothing comes of it but what they log.
func (p *Pass) handleFailure() {
	if k := p.x.Outcome.Kind; k == "" || k == exchange.Complete {
		return
	}
	for i := len(p.runs) - 1; i >= 0; i-- {
		r := &p.runs[i]
		if r.http == nil || r.http.after || r.down {
			continue
		}
		r.http.answered(nil)
		if status := p.x.Outcome.Status; status >= 100 {
			r.http.status = uint32(status)
		}
		ctx, cancel := context.WithTimeout(context.Background(), failureTime)
		if err := r.respond(ctx, r.http, 1); err != nil {
			r.f.stats.failures.Add(1)
		}
		cancel()
	}
}

// handleRequest runs one handler over the request as it stands.
func (r *run) handleRequest(ctx context.Context) error {
	x, follows := r.p.x, r.f.hooks&hookHandleResponse != 0
	view := synthetic
	if r.f.spec.View == ViewFull {
		view = full
	}
	h, body := view(x), x.Request.Format.Render(nil, x.Request, wire.Rendering{Model: x.Request.Model})
	h.features, h.status = r.f.features, 200
	h.shows(body)
	if follows {
		h.seen = h.digest()
	}
	next, err := r.next(ctx, h, follows)
	if err != nil {
		return err
	}
	if !next {
		return r.answered(OnRequest, h)
	}
	if out := h.request.out; h.request.wrote && !bytes.Equal(out, body) {
		if err := r.rewrite(out); err != nil {
			return err
		}
		h.request.body = out
	}
	if h.features&featureBufferRequest == 0 {
		h.request.body = nil // handle_response may not read it
	}
	if follows {
		r.http = h
	}
	return nil
}

// proveHandler runs handle_request over a body for a self-test, which checks its verdict, or a probe. It returns what the
// handler wrote in the body's place, nil if nothing.
func (r *run) proveHandler(ctx context.Context, body []byte) ([]byte, error) {
	h := synthetic(r.p.x)
	h.features, h.status = r.f.features, 200
	h.shows(body)
	next, err := r.next(ctx, h, false)
	if err == nil && !next {
		err = r.answered(OnRequest, h)
	}
	return h.request.out, err
}

// next runs handle_request, keeps what handle_response needs, and tells whether the request goes on.
func (r *run) next(ctx context.Context, h *handling, follows bool) (bool, error) {
	held, err := r.hold(ctx)
	if err != nil {
		return false, err
	}
	defer held.release()
	in := held.in
	r.bytes[OnRequest] += len(h.request.body)
	in.call.begin(nil, 0)
	in.call.http, in.holds = h, 0
	ret, err := held.call(ctx, inHandleRequest, OnRequest, nil)
	if err != nil {
		return false, err
	}
	switch {
	case uint32(ret) == 0:
		return false, nil
	case uint32(ret) != 1:
		err = breach("handle_request returned a next that is neither 0 nor 1")
	case follows && h.features&featureBufferResponse != 0 && r.p.x.Request.Stream && r.f.spec.Whole == "":
		err = breach("it asks to buffer the response of a stream: configure stream: " + WholeBuffer + " or stream: " + WholeRefuse)
	case follows:
		h.ctx, in.holds = uint32(ret>>32), r.p.id
		h.kept, err = in.keep(r.f.spec.Limits.Held + 2*len(h.request.body))
	}
	in.broken = in.broken || err != nil
	return err == nil, err
}

// rewrite puts the body that a handler wrote in the request's place. It must be a request for the same model, streamed or
// not as before: both were decided on already.
func (r *run) rewrite(body []byte) error {
	req := r.p.x.Request
	edited, err := req.Format.Request(body, strictjson.Limits{MaxBytes: len(body)})
	if err != nil {
		return fmt.Errorf("handle_request: the body that it wrote is refused: %w", withoutWords(err))
	}
	if edited.Model != req.Model || edited.Stream != req.Stream {
		edited.Doc.Release()
		return breach("handle_request: the body that it wrote names another model, or asks for a stream where there was none or for none")
	}
	edited.Operation, edited.Usage, edited.Size = req.Operation, req.Usage, req.Size
	r.p.x.Request = edited
	req.Doc.Release()
	return r.p.admissible()
}

// withoutWords leaves a fault's code of it: its message may quote a key, which here is a guest's text.
func withoutWords(err error) error {
	if f := (*wire.Fault)(nil); errors.As(err, &f) {
		return breach(f.Code)
	}
	return err
}

// handleResponse runs one handler over the answer.
func (r *run) handleResponse(ctx context.Context, a *wire.Answer) error {
	h := r.http
	var body []byte
	if a != nil && h.features&featureBufferResponse != 0 {
		body = a.Doc.Append(nil)
	}
	h.answered(body)
	if a == nil {
		h.answer.put("content-type", []string{"text/event-stream"})
	}
	if err := r.respond(ctx, h, 0); err != nil {
		return err
	}
	switch {
	case h.status >= 400:
		return r.answered(OnAnswer, h)
	case h.status != 200:
		return breach("handle_response: an answer's status is 200; from 400 on, it is a verdict")
	case !h.answer.wrote || a == nil || bytes.Equal(h.answer.out, body):
		return nil
	}
	again, err := a.Format.Answer(h.answer.out)
	if err != nil {
		return fmt.Errorf("handle_response: the body that it wrote is refused: %w", withoutWords(err))
	}
	old := a.Doc
	*a = *again
	old.Release()
	return nil
}

// respond runs handle_response in an instance that is as handle_request left it.
func (r *run) respond(ctx context.Context, h *handling, isError uint64) error {
	held, err := r.resumed(ctx, h)
	if err != nil {
		return err
	}
	defer held.release()
	in := held.in
	r.bytes[OnAnswer] += len(h.answer.body)
	in.call.begin(nil, 0)
	in.call.http = h
	_, err = held.call(ctx, inHandleResponse, OnAnswer, nil, uint64(h.ctx), isError)
	return err
}

// resumed gets an instance that is as handle_request left it. One that grew for another exchange of the tenant can't be
// put there.
func (r *run) resumed(ctx context.Context, h *handling) (holding, error) {
	for range r.f.spec.Limits.Instances + 1 {
		held, err := r.hold(ctx)
		if err != nil || held.in.holds == r.p.id || held.in.resume(h.kept) {
			return held, err
		}
		held.in.broken = true
		held.release()
	}
	return holding{}, breach("handle_response: no instance can be put into the state that handle_request left")
}

// answered is the verdict of a handler that answers in the model's place. Clients try again by themselves, or ask for
// another credential, on some statuses: those become 403, as for policies.
func (r *run) answered(d Direction, h *handling) error {
	r.f.stats.rejections.Add(1)
	status := 403
	switch s := int(h.status); s {
	case 401, 407, 408, 409, 429:
	default:
		if s >= 400 && s < 500 {
			status = s
		}
	}
	err := r.rejection(d, "status_"+strconv.Itoa(int(h.status)), h.said)
	if e := (*exchange.Error)(nil); errors.As(err, &e) {
		e.Fault.Status = status
	}
	return err
}
