package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/control"
)

// open are the paths that an orchestrator's probes call without a credential. They tell one word each.
var open = []string{"/livez", "/readyz"}

// guard lets in who may call.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case len(r.Header["Origin"]) > 0:
			s.refused(w, r, http.StatusForbidden, "requests from web pages are refused")
		case !s.host(r.Host):
			s.refused(w, r, http.StatusMisdirectedRequest, "unknown Host; add it to admin.hosts if it is this listener's")
		case !slices.Contains(open, r.URL.Path) && !s.known(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.refused(w, r, http.StatusUnauthorized, "the admin token is missing or wrong; send it as Authorization: Bearer")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// host tells whether the Host header names this listener. An address always may: a page whose name was rebound to this
// machine still sends its name.
func (s *Server) host(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(strings.ToLower(host), "[]")
	if _, err := netip.ParseAddr(host); err == nil || s.opts.Socket {
		return true
	}
	return slices.Contains(s.opts.Hosts, host)
}

// known tells whether the request carries the token, or comes over the socket. Digests are compared, in constant time.
func (s *Server) known(r *http.Request) bool {
	if s.opts.Socket {
		return true
	}
	token := s.opts.Controller.AdminToken()
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return token != "" && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// refused answers and records a call that was not let in.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, code int, why string) {
	s.opts.Controller.Controlled(control.Call{Action: "refused", From: from(r), Start: time.Now(), Status: code})
	refuse(w, code, why)
}

// recorded makes a page leave an audit record.
func (s *Server) recorded(action string, page http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		call := control.Call{Action: action, Filter: r.PathValue("name"), From: from(r), Start: time.Now(), Known: true, Status: http.StatusOK}
		defer func() { s.opts.Controller.Controlled(call) }()
		page(statusWriter{w, &call.Status}, r)
	}
}

// statusWriter notes the status.
type statusWriter struct {
	http.ResponseWriter
	status *int
}

// Unwrap is for http.ResponseController.
func (w statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the status and passes it on.
func (w statusWriter) WriteHeader(code int) {
	*w.status = code
	w.ResponseWriter.WriteHeader(code)
}

// from is the caller's address; over a socket there is none.
func from(r *http.Request) string {
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return addr.Addr().Unmap().String()
	}
	return "socket"
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
