package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/control"
)

// The bounds of one deployment: bytes of its body, and time to send them and to bring the filter through its stages.
const (
	maxUpload  = artifact.MaxModule + artifact.MaxVectors + artifact.MaxManifest + 64<<10
	uploadTime = 2 * time.Minute
	deployTime = 5 * time.Minute
)

// deploys adds the calls that change filters.
func (s *Server) deploys(m *http.ServeMux) {
	m.HandleFunc("POST /filters/{name}/deploy", s.recorded("deploy", s.deploy))
	m.HandleFunc("POST /filters/{name}/rollback", s.recorded("rollback", s.change(s.opts.Controller.Rollback)))
	m.HandleFunc("POST /filters/{name}/promote", s.recorded("promote", s.change(s.opts.Controller.Promote)))
	m.HandleFunc("POST /filters/{name}/remove", s.recorded("remove", s.remove))
}

// deploy takes a version of a filter: multipart/form-data with the files module, and perhaps vectors and manifest; or no
// body, and the query's image, an OCI reference. The query may have canary (percent), max_failures (percent), min_calls,
// version, and lower=true where a version lower than one accepted before is meant. It answers when the version is live, or
// with the stage that refused it; a caller who does not wait for the answer changes nothing about it.
func (s *Server) deploy(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(uploadTime)) // a connection without deadlines has no others either
	_ = c.SetWriteDeadline(time.Now().Add(deployTime))
	d, err := deployment(r.PathValue("name"), r.URL.Query())
	if err == nil && d.Image == "" {
		r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
		d.Artifact, err = upload(r)
	}
	if err != nil {
		refuseUpload(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), deployTime)
	defer cancel()
	out, err := s.opts.Controller.Deploy(ctx, d)
	s.answer(w, out, err)
}

// deployment reads the query.
func deployment(name string, q url.Values) (d control.Deployment, err error) {
	d = control.Deployment{Name: name, Image: q.Get("image"), Version: q.Get("version"), Lower: q.Get("lower") == "true"}
	if !q.Has("canary") {
		return d, nil
	}
	k := control.DefaultShare()
	for _, part := range []struct {
		key string
		to  func(float64)
		max float64
	}{
		{"canary", func(v float64) { k.Share = int(v) }, 100},
		{"max_failures", func(v float64) { k.MaxFailures = v }, 100},
		{"min_calls", func(v float64) { k.MinCalls = int(v) }, 1e6},
	} {
		if !q.Has(part.key) {
			continue
		}
		v, err := strconv.ParseFloat(q.Get(part.key), 64)
		if err != nil || !(v >= 0 && v <= part.max) {
			return d, fmt.Errorf("%s: expected a number from 0 to %.0f", part.key, part.max)
		}
		part.to(v)
	}
	d.Canary = &k
	return d, nil
}

// upload reads a filter's files.
func upload(r *http.Request) (*artifact.Artifact, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, errors.New("expected multipart/form-data with the file module, and perhaps vectors and manifest; or no body and the query's image")
	}
	files := map[string][]byte{"module": nil, "vectors": nil, "manifest": nil}
	most := map[string]int64{"module": artifact.MaxModule, "vectors": artifact.MaxVectors, "manifest": artifact.MaxManifest}
	for {
		p, err := form.NextPart()
		last := err == io.EOF //nolint:errorlint // a wrapped one is a body without its end
		switch {
		case last && files["module"] == nil:
			return nil, errors.New("the file module is missing")
		case last:
			return artifact.New("uploaded", files["module"], files["vectors"], files["manifest"])
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		name := p.FormName()
		if known, ok := files[name]; !ok || known != nil {
			return nil, errors.New("a file that is none of module, vectors and manifest, or one of them twice")
		}
		if files[name], err = part(p, name, most[name]); err != nil {
			return nil, err
		}
	}
}

// part reads one file.
func part(p *multipart.Part, name string, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(p, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%w: the %s may have at most %d bytes", artifact.ErrTooLarge, name, most)
	}
	return b, err
}

// refuseUpload answers a deployment that could not be read.
func refuseUpload(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large) || errors.Is(err, artifact.ErrTooLarge):
		fail(w, http.StatusRequestEntityTooLarge, problem{"too_large", "size", err.Error()})
	case errors.Is(err, io.ErrUnexpectedEOF):
		fail(w, http.StatusBadRequest, problem{"upload_cut_off", "read", "the upload ended too early; nothing was changed"})
	default:
		fail(w, http.StatusBadRequest, problem{"bad_upload", "read", err.Error()})
	}
}

// change answers a call that goes from one loaded version to another.
func (s *Server) change(do func(context.Context, string) (control.Deployed, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := do(context.WithoutCancel(r.Context()), r.PathValue("name"))
		s.answer(w, out, err)
	}
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	generation, err := s.opts.Controller.Remove(context.WithoutCancel(r.Context()), r.PathValue("name"))
	s.answer(w, map[string]uint64{"generation": generation}, err)
}

// answer is the result, or why there is none.
func (s *Server) answer(w http.ResponseWriter, out any, err error) {
	var refused *control.DeployError
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, out)
	case errors.Is(err, control.ErrUnknownFilter):
		fail(w, http.StatusNotFound, problem{Code: "unknown_filter", Detail: err.Error()})
	case errors.Is(err, control.ErrNoPrevious), errors.Is(err, control.ErrNoCanary), errors.Is(err, control.ErrNotDeployed), errors.Is(err, control.ErrNoDeployPath):
		fail(w, http.StatusConflict, problem{Code: "cannot_be_done", Detail: err.Error()})
	case errors.As(err, &refused):
		fail(w, http.StatusUnprocessableEntity, problem{"deploy_refused", refused.Stage, err.Error()})
	default:
		fail(w, http.StatusInternalServerError, problem{Code: "failed", Detail: err.Error()})
	}
}

// problem is the body of a call that was refused.
type problem struct {
	Code   string `json:"code"`
	Stage  string `json:"stage,omitempty"` // one of filter.Stages
	Detail string `json:"detail"`
}

func fail(w http.ResponseWriter, code int, p problem) { writeJSON(w, code, p) }
