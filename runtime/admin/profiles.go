package admin

import (
	"net/http"
	"net/http/pprof"
)

// profiles adds the Go runtime's profiles, for `go tool pprof`. They show code and sizes, and a profile of the heap no
// contents; cmdline, which may show a path, is left out. A profile may take longer than the listener's WriteTimeout:
// the handlers put the deadline off by the seconds they are asked for.
func (s *Server) profiles(m *http.ServeMux) {
	m.HandleFunc("GET /debug/pprof/", s.recorded("profile", pprof.Index)) // heap, goroutine and the other named ones too
	m.HandleFunc("GET /debug/pprof/symbol", s.recorded("profile", pprof.Symbol))
	m.HandleFunc("GET /debug/pprof/profile", s.recorded("profile", pprof.Profile))
	m.HandleFunc("GET /debug/pprof/trace", s.recorded("profile", pprof.Trace))
}
