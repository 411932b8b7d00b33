// Package admin is the control listener: liveness, readiness, metrics, and the calls that look at or change what is
// live. It never shares a port with callers.
//
// Every call but /livez and a bare /readyz needs the admin token (Authorization: Bearer), or comes over a unix socket
// that only this user can open. The Host header must be one of the listener's own, and a request with an Origin header
// is refused, so that no web page can reach it through somebody's browser (DNS rebinding). Every call that changes
// something leaves an audit record.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/control"
)

// Options configure the listener.
type Options struct {
	Controller *control.Controller // required
	Logger     *slog.Logger        // required
	Token      string              // "" only on a unix socket, whose mode is the credential
	Hosts      []string            // values of the Host header to accept, without port; empty on a unix socket
}

// Server serves the control listener.
type Server struct {
	opts  Options
	token [sha256.Size]byte
	http  *http.Server
}

// New makes a Server; Serve starts it.
func New(o Options) *Server {
	s := &Server{opts: o, token: sha256.Sum256([]byte(o.Token))}
	s.http = &http.Server{
		Handler:           s.guard(s.mux()),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
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

// Shutdown stops the listener, at the latest when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func (s *Server) mux() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, "ok\n") })
	m.HandleFunc("GET /readyz", s.readyz)
	m.HandleFunc("GET /metrics", s.metrics)
	m.HandleFunc("GET /generation", s.generation)
	m.HandleFunc("GET /filters", s.filters)
	m.HandleFunc("POST /reload", s.reload)
	return m
}

// open are the paths that an orchestrator's probes call without a credential. They tell one word each.
var open = []string{"/livez", "/readyz"}

// guard lets in who may call.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case len(r.Header["Origin"]) > 0:
			refuse(w, http.StatusForbidden, "requests from web pages are refused")
		case !s.host(r.Host):
			refuse(w, http.StatusMisdirectedRequest, "unknown Host; add it to admin.hosts if it is this listener's")
		case !s.known(r) && !slices.Contains(open, r.URL.Path):
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "the admin token is missing or wrong; send it as Authorization: Bearer")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *Server) host(host string) bool {
	if len(s.opts.Hosts) == 0 {
		return true
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return slices.Contains(s.opts.Hosts, strings.Trim(strings.ToLower(host), "[]"))
}

// known tells whether the request carries the token. Digests are compared, in constant time.
func (s *Server) known(r *http.Request) bool {
	if s.opts.Token == "" {
		return len(s.opts.Hosts) == 0 // the unix socket
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(given))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1
}

// readyz is 200 while a generation serves. The body says more to who may know: a reload that was refused does not make
// the gateway unready, since the last good generation serves, but it is said here.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	st := s.opts.Controller.Status()
	code, word := http.StatusOK, "ok\n"
	if !st.Ready() {
		code, word = http.StatusServiceUnavailable, "no generation is serving\n"
	}
	if st.Fault != "" {
		word = "ok, but the last reload was refused\n"
		if s.known(r) {
			word = "ok, but the last reload was refused:\n" + st.Fault + "\n"
		}
	}
	write(w, code, word)
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

func (s *Server) filters(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.opts.Controller.Filters())
}

// reload builds and installs the configuration as it stands now, and answers when that is done or refused.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	err := s.opts.Controller.Reload(r.Context(), "admin")
	s.opts.Controller.Controlled("reload", r.RemoteAddr, err)
	if err != nil {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"code": "reload_refused", "detail": err.Error()})
		return
	}
	s.generation(w, r)
}

func refuse(w http.ResponseWriter, code int, why string) {
	writeJSON(w, code, map[string]string{"detail": why})
}

func write(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text)) // a caller that went away needs no answer
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // as in write
}
