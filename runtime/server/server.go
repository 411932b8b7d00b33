// Package server is the public listener: it turns HTTP into exchanges and back, and does nothing else.
//
// It bounds what a connection may cost (headers, bodies, time, number of exchanges), finds the surface a path stands
// for, and hands the exchange to the pipeline through pipeline.Caller. No control, no metrics and no health of the
// gateway's inner state are served here; they are on the admin listener.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/pipeline"
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
	if o.HeaderBytes == 0 {
		o.HeaderBytes = 64 << 10
	}
	if o.MaxExchanges == 0 {
		o.MaxExchanges = 8192
	}
	return o
}

// Server serves the public listener.
type Server struct {
	opts    Options
	http    *http.Server
	routes  map[string]route
	running atomic.Int64
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
	}
	return s
}

// Serve takes connections from l until Shutdown; it then returns nil.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// linger is how long Shutdown waits for connections that carry no exchange: they are idle, or in the middle of a head.
const linger = time.Second

// Shutdown stops taking connections and waits for the running exchanges, streams included. When ctx ends first, the
// exchanges that are left are ended in their surface's own shape.
func (s *Server) Shutdown(ctx context.Context) error {
	closed := make(chan error, 1)
	go func() { closed <- s.http.Shutdown(context.WithoutCancel(ctx)) }()
	s.opts.Pipeline.Drain(ctx)
	select {
	case err := <-closed:
		return err
	case <-time.After(linger):
	}
	s.opts.Pipeline.Drain(ctx) // a head that was on its way has become an exchange
	err := s.http.Close()
	return errors.Join(err, <-closed)
}
