package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sluicegate/sluice/runtime/control"
)

// policies adds the calls about the policy and the candidate beside it.
func (s *Server) policies(m *http.ServeMux) {
	c := s.opts.Controller
	m.HandleFunc("GET /policy", s.recorded("policy", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, c.Policy()) }))
	m.HandleFunc("GET /policy/shadow", s.recorded("policy_shadow", s.shadow))
	m.HandleFunc("POST /policy/shadow", s.recorded("policy_shadow_begin", s.beginShadow))
	m.HandleFunc("POST /policy/shadow/stop", s.recorded("policy_shadow_stop", s.changePolicy(c.StopShadow)))
	m.HandleFunc("POST /policy/promote", s.recorded("policy_promote", s.changePolicy(c.PromotePolicy)))
	m.HandleFunc("POST /policy/rollback", s.recorded("policy_rollback", s.changePolicy(c.RollbackPolicy)))
}

// shadow tells what the candidate would do otherwise.
func (s *Server) shadow(w http.ResponseWriter, _ *http.Request) {
	st, ok := s.opts.Controller.Shadow()
	if !ok {
		fail(w, http.StatusNotFound, problem{Code: "not_found", Detail: control.ErrNoCandidatePolicy.Error()})
		return
	}
	writeJSON(w, http.StatusOK, st)
}

// beginShadow takes a candidate: a zip file of the policy's folder, and in the query its name and sample (per cent).
func (s *Server) beginShadow(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(uploadTime)) // as in deploy
	_ = c.SetWriteDeadline(time.Now().Add(deployTime))
	k, err := candidate(http.MaxBytesReader(w, r.Body, control.MaxCandidate), r.URL.Query())
	if err != nil {
		refuseUpload(w, err)
		return
	}
	s.changePolicy(func(ctx context.Context) (control.PolicyStatus, error) { return s.opts.Controller.ShadowPolicy(ctx, k) })(w, r)
}

func candidate(body io.Reader, q url.Values) (control.Candidate, error) {
	sample := 0
	if q.Has("sample") {
		var err error
		if sample, err = strconv.Atoi(q.Get("sample")); err != nil || sample < 1 || sample > 100 {
			return control.Candidate{}, errors.New("sample: expected a percentage from 1 to 100")
		}
	}
	archive, err := io.ReadAll(body)
	if err != nil {
		return control.Candidate{}, err
	}
	return control.NewCandidate(archive, q.Get("name"), sample)
}

// changePolicy answers when the change is live, or refused. A caller who does not wait changes nothing about it.
func (s *Server) changePolicy(change func(context.Context) (control.PolicyStatus, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), deployTime)
		defer cancel()
		out, err := change(ctx)
		var refused *control.DeployError
		switch {
		case err == nil:
			writeJSON(w, http.StatusOK, out)
		case errors.Is(err, control.ErrNoCandidatePolicy), errors.Is(err, control.ErrNoPreviousPolicy),
			errors.Is(err, control.ErrConfiguredPolicy), errors.Is(err, control.ErrGuardedPolicy), errors.Is(err, control.ErrNoDeployPath):
			fail(w, http.StatusConflict, problem{Code: "cannot_be_done", Detail: err.Error()})
		case errors.As(err, &refused):
			fail(w, http.StatusUnprocessableEntity, problem{Code: "policy_refused", Detail: err.Error()})
		default:
			fail(w, http.StatusInternalServerError, problem{Code: "failed", Detail: err.Error()})
		}
	}
}
