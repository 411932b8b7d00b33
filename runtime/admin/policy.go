package admin

import "net/http"

// policies adds the calls about the policy and the candidate beside it.
func (s *Server) policies(m *http.ServeMux) {
	m.HandleFunc("GET /policy/shadow", s.recorded("shadow", s.shadow))
}

// shadow tells what the candidate would do otherwise.
func (s *Server) shadow(w http.ResponseWriter, _ *http.Request) {
	st, ok := s.opts.Controller.Shadow()
	if !ok {
		writeJSON(w, http.StatusNotFound, map[string]string{
			"code": "not_found", "detail": "there is no candidate beside the policy, or it is what is live; name one with policy.shadow.path in the configuration",
		})
		return
	}
	writeJSON(w, http.StatusOK, st)
}
