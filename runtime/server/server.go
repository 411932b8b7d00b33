// Package server is the public listener: it turns HTTP into exchanges and back, and does nothing else.
//
// It bounds what a connection may cost (headers, bodies, time, streams, number of exchanges), finds the surface a path stands
// for, and hands the exchange to the pipeline through pipeline.Caller. No control, no metrics and no health of the
// gateway's inner state are served here; they are on the admin listener.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/http1"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Options bound the listener. A zero field means the default.
type Options struct {
	Pipeline     *pipeline.Pipeline // required
	Logger       *slog.Logger       // required
	HeaderBytes  int                // of one request's head: 64 KiB
	HeaderTime   time.Duration      // for the head to arrive: 10 s
	BodyTime     time.Duration      // for head and body to arrive: 60 s
	WriteTime    time.Duration      // for the caller to take one piece of the answer: 30 s
	IdleTime     time.Duration      // a connection may wait for its next request: 120 s
	MaxExchanges int                // at once; more are answered 503: 8192
	TLS          *tls.Config        // nil: cleartext
	HTTP1Only    bool               // no HTTP/2, neither over TLS nor in the clear with prior knowledge
	Streams      int                // of one HTTP/2 connection, open at once: 250
	Connections  int                // at once; more are closed: 16384
	Inflation    int                // how many times larger than what was sent a compressed body may be: 100
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.HeaderTime, 10*time.Second)
	set(&o.BodyTime, 60*time.Second)
	set(&o.WriteTime, 30*time.Second)
	set(&o.IdleTime, 120*time.Second)
	number := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	number(&o.HeaderBytes, 64<<10)
	number(&o.MaxExchanges, 8192)
	number(&o.Streams, 250)
	number(&o.Connections, 16384)
	number(&o.Inflation, 100)
	return o
}

// Server serves the public listener.
type Server struct {
	opts    Options
	http    *http.Server
	front   *http1.Front // before http in the clear; nil with TLS
	routes  map[string]route
	running atomic.Int64
	leaving atomic.Bool
}

// New makes a Server; Serve starts it.
func New(o Options) *Server {
	s := &Server{opts: o.withDefaults()}
	s.routes = table()
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.opts.HeaderTime,
		ReadTimeout:       s.opts.BodyTime,  // taken off once the body is there
		WriteTimeout:      s.opts.WriteTime, // from the head on, put off with every piece; net/http's own words too
		IdleTimeout:       s.opts.IdleTime,
		MaxHeaderBytes:    s.opts.HeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
		TLSConfig:         s.opts.TLS,
		Protocols:         s.protocols(),
		HTTP2:             s.http2(),
	}
	if s.opts.TLS == nil {
		s.front = http1.New(s.http)
	}
	return s
}

// protocols are HTTP/1.1 and, over TLS by ALPN and in the clear to who begins with it, HTTP/2. There is no Upgrade to it:
// proxies that pass one on have let requests past their own rules.
func (s *Server) protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(!s.opts.HTTP1Only)
	p.SetUnencryptedHTTP2(!s.opts.HTTP1Only && s.opts.TLS == nil)
	return p
}

// http2 bounds what one HTTP/2 connection may hold. A caller who resets streams faster than they can end is cut by net/http
// at four times Streams (CVE-2023-44487), as is one whose header blocks never end or whose settings and pings are not read.
func (s *Server) http2() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          s.opts.Streams,
		MaxReadFrameSize:              64 << 10,
		MaxReceiveBufferPerConnection: 1 << 20,
		MaxReceiveBufferPerStream:     256 << 10,
		SendPingTimeout:               s.opts.IdleTime / 2, // a peer that is gone without a word is found out by a ping
		PingTimeout:                   15 * time.Second,
		WriteByteTimeout:              s.opts.WriteTime,
	}
}

// Serve takes connections from l until Shutdown; it then returns nil.
func (s *Server) Serve(l net.Listener) error {
	serve := func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
	if s.front != nil {
		serve = s.front.Serve
	}
	full := func() {
		s.opts.Pipeline.Metrics.Refused(wire.Overloaded)
		s.opts.Logger.Debug("refused", "why", "too many connections")
	}
	if err := serve(&bounded{Listener: l, max: int64(s.opts.Connections), first: s.opts.HeaderTime, refused: full}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Leave says that the server will stop soon. Until Shutdown it takes new connections and answers as ever, and asks to have
// each connection closed after its answer, so that callers go elsewhere before one is closed under a request of theirs.
func (s *Server) Leave() { s.leaving.Store(true) }

// linger is how long Shutdown waits for connections that carry no exchange: they are idle, or in the middle of a head.
const linger = time.Second

// Shutdown stops taking connections and waits for the running exchanges, streams included. When ctx ends first, the
// exchanges that are left are ended in their surface's own shape.
func (s *Server) Shutdown(ctx context.Context) error {
	var serving interface {
		Shutdown(ctx context.Context) error
		Close() error
	} = s.http
	if s.front != nil {
		serving = s.front
	}
	closed := make(chan error, 1)
	go func() { closed <- serving.Shutdown(context.WithoutCancel(ctx)) }()
	s.opts.Pipeline.Drain(ctx)
	select {
	case err := <-closed:
		return err
	case <-time.After(linger):
	}
	s.opts.Pipeline.Drain(ctx) // a head that was on its way has become an exchange
	err := serving.Close()
	return errors.Join(err, <-closed)
}
