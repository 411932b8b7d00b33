package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

// https speaks to one TLS server through net/http: HTTP/2 where the server has it, else HTTP/1.1.
type https struct {
	o  TransportOptions
	rt *http.Transport
}

func newHTTPS(o TransportOptions, roots *x509.CertPool) *https {
	settings := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if o.ClientCert != nil {
		settings.GetClientCertificate = o.ClientCert.Get
	}
	dialer := &net.Dialer{Timeout: o.Timeouts.Connect, KeepAlive: 15 * time.Second}
	return &https{o: o, rt: &http.Transport{
		Proxy:                  nil, // the environment names no way to a model server
		DialContext:            dialer.DialContext,
		TLSClientConfig:        settings,
		TLSHandshakeTimeout:    o.Timeouts.Connect,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // Accept-Encoding is ours
		MaxIdleConns:           o.MaxIdle,
		MaxIdleConnsPerHost:    o.MaxIdle,
		IdleConnTimeout:        keepIdle,
		MaxResponseHeaderBytes: maxHead,
		ReadBufferSize:         readBuffer,
	}}
}

func (h *https) close() { h.rt.CloseIdleConnections() }

// errSlow is why a call's own context ends when a timeout of ours has passed.
var errSlow = errors.New("the timeout has passed")

// send makes one exchange. RoundTrip follows no redirect. As in http1, a request that went over a connection that had been
// idle and got no byte of an answer is sent once more, over a new one.
func (h *https) send(ctx context.Context, t *Transport, r *Request) (*Response, error) {
	var w witness
	resp, err := h.roundTrip(ctx, t, r, &w)
	if err != nil && w.reused.Load() && !w.answered.Load() && ctx.Err() == nil && err.Code != wire.UpstreamTimeout {
		h.rt.CloseIdleConnections() // whatever broke this one has likely broken those too
		resp, err = h.roundTrip(ctx, t, r, &w)
	}
	return resp, asError(err)
}

// witness notes how far a call came. net/http tells it from its own goroutines, also after RoundTrip has returned.
type witness struct {
	connected, reused, answered atomic.Bool
}

// trace notes; connected hears that the connection stands.
func (w *witness) trace(connected func()) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			connected()
			w.connected.Store(true)
			w.reused.Store(info.Reused)
		},
		GotFirstResponseByte: func() { w.answered.Store(true) },
	}
}

func (h *https) roundTrip(ctx context.Context, t *Transport, r *Request, w *witness) (*Response, *Failure) {
	if gone := abandoned(ctx, false); gone != nil {
		return nil, gone
	}
	own, cancel := context.WithCancelCause(ctx)
	b := &httpsBody{cancel: cancel, idle: h.o.Timeouts.Idle}
	b.timer = time.AfterFunc(h.o.Timeouts.Connect, func() { cancel(errSlow) })
	w.connected.Store(false)
	first := func() { b.timer.Reset(h.o.Timeouts.FirstByte) }                                   // the first byte has its own time, from now on
	res, err := h.rt.RoundTrip(h.request(httptrace.WithClientTrace(own, w.trace(first)), t, r)) //nolint:bodyclose // b closes it, at the latest when the Response is closed
	if err != nil {
		_ = b.Close()
		return nil, h.fail(ctx, own, err, w.connected.Load())
	}
	b.ReadCloser = res.Body
	b.own = own
	resp := &Response{Status: res.StatusCode, ctx: ctx, body: b, limit: int64(h.o.MaxAnswer), length: res.ContentLength}
	if err := readFields(res, &resp.Header); err != nil {
		_ = b.Close()
		return nil, broken(err)
	}
	return resp, nil
}

// request makes the http.Request. The body is copied: net/http may read it after RoundTrip has returned.
func (h *https) request(ctx context.Context, t *Transport, r *Request) *http.Request {
	u := *t.base
	u.Path += r.Path
	if u.RawPath != "" {
		u.RawPath += r.Path
	}
	req := (&http.Request{
		Method: r.method(), URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"User-Agent": {userAgent}, "Accept-Encoding": {"identity"}, "Accept": {r.accept()},
		},
	}).WithContext(ctx)
	if r.Bearer != "" {
		req.Header["Authorization"] = []string{"Bearer " + r.Bearer}
	}
	if r.RequestID != "" {
		req.Header["X-Request-Id"] = []string{r.RequestID}
	}
	for _, f := range r.Own {
		req.Header.Set(f.Name, f.Value)
	}
	for _, f := range r.Header {
		if mayForward(f.Name) && validValue(f.Value) {
			req.Header.Set(f.Name, f.Value)
		}
	}
	if r.Body != nil || r.method() == http.MethodPost {
		req.Header["Content-Type"] = []string{"application/json"}
		body := bytes.Clone(r.Body)
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody() // the function above does not fail
	}
	return req
}

// fail sorts RoundTrip's errors.
func (h *https) fail(ctx, own context.Context, err error, connected bool) *Failure {
	if gone := abandoned(ctx, connected); gone != nil {
		return gone
	}
	switch {
	case !connected:
		return unreachable(err)
	case errors.Is(context.Cause(own), errSlow):
		return &Failure{Code: wire.UpstreamTimeout, Retry: RetryElsewhere, BodySent: true, Cause: errSlow}
	default:
		// net/http quotes the answer in errors about malformed ones; none of it may be logged.
		return broken(errors.New("the connection broke, or the answer is not HTTP"))
	}
}

// readFields takes the fields of interest of a net/http answer.
func readFields(res *http.Response, h *Header) error {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return malformedError("it switches protocols, which was not asked for")
	}
	h.limited = res.StatusCode == http.StatusTooManyRequests
	for name, values := range res.Header {
		for _, v := range values {
			if name == "Content-Encoding" && v != "" && v != "identity" {
				return malformedError("its content is encoded, which was not asked for")
			}
			h.set(name, v)
		}
	}
	return nil
}

// httpsBody bounds the time of net/http's body: its timer ends the call's own context.
type httpsBody struct {
	io.ReadCloser // nil when there was no answer
	cancel        context.CancelCauseFunc
	timer         *time.Timer
	idle          time.Duration
	each          bool
	done          bool
	own           context.Context // the call's, which cancel and timer end
}

func (b *httpsBody) begun() { b.each = true }

func (b *httpsBody) wait() error { return nil }

// Read gives an end only while the context stands: a connection that is being closed for its sake tells the server first,
// whose answer may then end in good order before its time.
func (b *httpsBody) Read(p []byte) (int, error) {
	if b.each {
		b.timer.Reset(b.idle)
		defer b.timer.Stop() // a slow reader of ours is not the server's fault
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && b.own.Err() == nil:
		b.done = true
		return n, io.EOF
	case errors.Is(context.Cause(b.own), errSlow):
		return n, &Failure{Code: wire.UpstreamTimeout, Retry: RetryElsewhere, BodySent: true, Cause: errSlow}
	default:
		return n, Interrupted(errors.New("the connection broke in the answer"))
	}
}

func (b *httpsBody) drain() {
	if b.done {
		return
	}
	b.each = false
	b.timer.Reset(drainTime)
	_, _ = io.CopyN(io.Discard, b, drainBytes)
}

func (b *httpsBody) Close() error {
	b.timer.Stop()
	var err error
	if b.ReadCloser != nil {
		err = b.ReadCloser.Close()
	}
	b.cancel(nil)
	return err
}
