package admin

import (
	"net/http"
	"net/http/pprof"
	"time"
)

// profiles adds the Go runtime's profiles, for `go tool pprof`. They show code and sizes, and a profile of the heap no
// contents; cmdline, which may show a path, is left out.
func (s *Server) profiles(m *http.ServeMux) {
	m.HandleFunc("GET /debug/pprof/", s.recorded("profile", pprof.Index))
	m.HandleFunc("GET /debug/pprof/symbol", s.recorded("profile", pprof.Symbol))
	m.HandleFunc("GET /debug/pprof/profile", s.recorded("profile", unhurried(pprof.Profile)))
	m.HandleFunc("GET /debug/pprof/trace", s.recorded("profile", unhurried(pprof.Trace)))
}

// unhurried lifts the time limit of an answer: a profile takes as long as its caller asks for.
func unhurried(page http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // where there are deadlines
		page(w, r)
	}
}
