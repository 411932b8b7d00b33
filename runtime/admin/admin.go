// Package admin is the control listener: liveness, readiness, metrics, and the calls that look at or change what is
// live. It never shares a port with callers.
//
// Every call but /livez and a bare /readyz needs the admin token (Authorization: Bearer), or comes over a unix socket
// that only this user can open. The Host header must be one of the listener's own, and a request with an Origin header
// is refused, so that no web page can reach it through somebody's browser (DNS rebinding). Every control call, and every
// refused one, leaves an audit record; reading health and metrics is none.
package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sluicegate/sluice/runtime/control"
)

// Options configure the listener.
type Options struct {
	Controller *control.Controller // required
	Logger     *slog.Logger        // required
	Socket     bool                // on a unix socket, whose mode is the credential; else Controller.AdminToken is
	TLS        *tls.Config         // nil: cleartext
	Hosts      []string            // names to accept in the Host header, without port; addresses always are
}

// Server serves the control listener.
type Server struct {
	opts Options
	http *http.Server
}

// New makes a Server; Serve starts it.
func New(o Options) *Server {
	s := &Server{opts: o}
	s.http = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		TLSConfig:         o.TLS,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve takes connections from l until Shutdown; it then returns nil.
func (s *Server) Serve(l net.Listener) error {
	serve := s.http.Serve
	if s.opts.TLS != nil {
		serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops the listener, at the latest when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// Handler is the listener's pages behind its guard.
func (s *Server) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, "ok\n") })
	m.HandleFunc("GET /readyz", s.readyz)
	m.HandleFunc("GET /metrics", s.metrics)
	m.HandleFunc("GET /generation", s.recorded("generation", s.generation))
	m.HandleFunc("GET /endpoints", s.recorded("endpoints", s.endpoints))
	m.HandleFunc("GET /filters", s.recorded("filters", s.filters))
	m.HandleFunc("GET /coverage", s.recorded("coverage", s.coverage))
	m.HandleFunc("GET /decisions/{id}", s.recorded("decision", s.decision))
	m.HandleFunc("POST /reload", s.recorded("reload", s.reload))
	s.deploys(m)
	s.policies(m)
	s.profiles(m)
	return s.guard(m)
}

// readyz is 200 while a generation serves. The body says more to who may know: a reload that was refused and a canary that
// was switched off do not make the gateway unready, since the last good versions serve, but they are said here.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	st, known := s.opts.Controller.Status(), s.known(r)
	switch {
	case st.Stopping:
		write(w, http.StatusServiceUnavailable, "stopping\n")
		return
	case st.Generation > 0 && st.NoPolicy != "":
		write(w, http.StatusServiceUnavailable, noPolicy(st, known))
		return
	case !st.Ready():
		write(w, http.StatusServiceUnavailable, "no generation is serving\n")
		return
	}
	text := "ok"
	if st.Fault != "" {
		if text += ", but the last reload was refused"; known {
			text += ":\n" + st.Fault
		}
	}
	if faults := bundleFaults(st); faults != "" {
		if text += ", but the last bundle was not taken"; known {
			text += ":" + faults
		}
	}
	for _, c := range st.Certificates {
		if c.Fault == "" {
			continue
		}
		if text += ", but a new certificate cannot be used"; known {
			text += ":\n" + c.Fault
		}
	}
	for _, off := range st.SwitchedOff {
		if !known {
			text += ", a canary failed"
			break
		}
		text += fmt.Sprintf("\nthe canary of the filter %s, version %s, was switched off for its failures", off.Filter, off.Label())
	}
	write(w, http.StatusOK, text+"\n")
}

// noPolicy says why all requests are refused.
func noPolicy(st control.Status, known bool) string {
	text := "there is no policy yet"
	if known {
		text += ": " + st.NoPolicy
		text += bundleFaults(st)
	}
	return text + "\n"
}

// bundleFaults says why bundles were not taken, a line for each.
func bundleFaults(st control.Status) string {
	text := ""
	for _, b := range st.Bundles {
		switch {
		case b.Fault == "":
		case len(st.Bundles) == 1:
			text += "\n" + b.Stage + ": " + b.Fault
		default:
			text += "\n" + b.Name + ": " + b.Stage + ": " + b.Fault
		}
	}
	return text
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if err := s.opts.Controller.Metrics().WriteText(w); err != nil {
		s.opts.Logger.Warn("metrics could not be written", "error", err)
	}
}

func (s *Server) generation(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.opts.Controller.Status())
}

// endpoints says how the model servers do.
func (s *Server) endpoints(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.opts.Controller.Endpoints())
}

// coverage says which filter sees what.
func (s *Server) coverage(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.opts.Controller.Coverage())
}

// decision tells why a decision was as it was.
func (s *Server) decision(w http.ResponseWriter, r *http.Request) {
	e, err := s.opts.Controller.Explain(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, control.ErrNoDecisions), errors.Is(err, control.ErrUnknownDecision):
		writeJSON(w, http.StatusNotFound, map[string]string{"code": "not_found", "detail": err.Error()})
	case err != nil:
		writeJSON(w, http.StatusInternalServerError, map[string]string{"code": "internal", "detail": err.Error()})
	default:
		writeJSON(w, http.StatusOK, e)
	}
}

// reload builds and installs the configuration as it stands now, and answers when that is done or refused. A caller who
// does not wait for the answer changes nothing about it.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if err := s.opts.Controller.Reload(context.WithoutCancel(r.Context()), "admin"); err != nil {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"code": "reload_refused", "detail": err.Error()})
		return
	}
	s.generation(w, r)
}
