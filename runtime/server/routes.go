package server

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/anthropic"
	"github.com/sluicegate/sluice/runtime/wire/inference"
	"github.com/sluicegate/sluice/runtime/wire/oip"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// route is what one path does: an exchange through a surface, or a fixed page.
type route struct {
	method  string
	surface exchange.Surface                             // nil: page
	list    bool                                         // the exchange is a request for the models
	one     string                                       // the one model that is asked for; "": all
	page    string                                       // JSON
	render  func(names []string, since time.Time) []byte // of list: writes it
	allow   string                                       // the methods that the path takes; "": see allow
	kept    wire.Operation                               // what is done about the response of the id in one; "": nothing
	idAlso  string                                       // a header, beside X-Request-Id, in which the surface's clients look for the request's id
}

// anthropicID is where the Anthropic API's clients look for the request's id.
const anthropicID = "Request-Id"

// table lists every path of the public listener.
func table() map[string]route {
	return map[string]route{
		"/":                         {method: http.MethodGet, page: `{"status":"ok"}`},
		"/ping":                     {method: http.MethodGet, page: `{"ok":true}`},
		"/inference":                {method: http.MethodPost, surface: inference.Surface()},
		"/v1/chat/completions":      {method: http.MethodPost, surface: openai.ChatSurface()},
		"/v1/completions":           {method: http.MethodPost, surface: openai.CompletionsSurface()},
		"/v1/embeddings":            {method: http.MethodPost, surface: openai.EmbeddingsSurface()},
		"/v1/responses":             {method: http.MethodPost, surface: openai.ResponsesSurface()},
		"/v1/rerank":                {method: http.MethodPost, surface: openai.RerankSurface()},
		"/v1/ranking":               {method: http.MethodPost, surface: openai.RankingSurface()},
		"/v2":                       {method: http.MethodGet, page: `{"name":"sluice","extensions":[]}`},
		"/v2/health/live":           {method: http.MethodGet, page: `{"live":true}`},
		"/v2/health/ready":          {method: http.MethodGet, page: `{"ready":true}`},
		"/v1/models":                {method: http.MethodGet, surface: openai.ModelsSurface(), list: true, render: models},
		"/v1/messages":              {method: http.MethodPost, surface: anthropic.MessagesSurface(), idAlso: anthropicID},
		"/v1/messages/count_tokens": {method: http.MethodPost, surface: anthropic.CountTokensSurface(), idAlso: anthropicID},
	}
}

// inferPath is the path of the Open Inference Protocol's requests, as Surfaces names it.
const inferPath = "/v2/models/{model}/infer"

// named is what a path does that has a model's name in it.
func named(method, path string) (rt route, ok bool) {
	if model, ok := strings.CutPrefix(path, "/v2/models/"); ok && model != "" {
		return tensors(model)
	}
	if model, ok := strings.CutPrefix(path, "/v1/models/"); ok && model != "" {
		return route{method: http.MethodGet, surface: openai.ModelsSurface(), list: true, one: model, render: oneModel}, true
	}
	if rest, ok := strings.CutPrefix(path, "/v1/responses/"); ok {
		return keptResponse(method, rest)
	}
	return route{}, false
}

// keptResponse is what a path under /v1/responses/ does, from the id on, by the method.
func keptResponse(method, path string) (rt route, ok bool) {
	id, rest, _ := strings.Cut(path, "/")
	rt = route{method: http.MethodGet, one: id}
	switch rest {
	case "":
		rt.kept, rt.allow = wire.GetResponse, "GET, HEAD, DELETE, OPTIONS"
		if method == http.MethodDelete {
			rt.method, rt.kept = method, wire.DeleteResponse
		}
	case "input_items":
		rt.kept = wire.ResponseInput
	case "cancel":
		rt.method, rt.kept = http.MethodPost, wire.CancelResponse
	}
	return rt, id != "" && rt.kept != "" && !strings.HasSuffix(path, "/")
}

// tensors is what a path of the Open Inference Protocol does, from the model's name on.
func tensors(path string) (rt route, ok bool) {
	model, infer := strings.CutSuffix(path, "/infer")
	if infer {
		return route{method: http.MethodPost, surface: oip.Surface(model)}, model != ""
	}
	rt = route{method: http.MethodGet, surface: oip.ModelSurface(), list: true, render: tensorModel}
	if rt.one, ok = strings.CutSuffix(path, "/ready"); ok {
		rt.render = tensorReady
	}
	return rt, rt.one != ""
}

// tensorModel writes a model's metadata for clients of the Open Inference Protocol, tensorReady that it is ready.
func tensorModel(names []string, _ time.Time) []byte { return oip.AppendModel(nil, names[0]) }
func tensorReady(names []string, _ time.Time) []byte { return oip.AppendReady(nil, names[0]) }

// Surface is the surface behind a path that takes requests, such as /v1/chat/completions or /v2/models/churn/infer.
func Surface(path string) (s exchange.Surface, ok bool) {
	rt, ok := table()[path]
	if !ok {
		rt, _ = named(http.MethodPost, path)
	}
	return rt.surface, rt.surface != nil && !rt.list
}

// Surfaces are the paths that Surface knows, sorted.
func Surfaces() []string {
	out := []string{inferPath}
	for path, rt := range table() {
		if rt.surface != nil && !rt.list {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// Shapes lists the kinds of strings in the bodies of every path's operation, path by path.
func Shapes() []wire.Shape {
	var out []wire.Shape
	for _, path := range Surfaces() {
		s, _ := Surface(path)
		out = append(out, s.Shapes()...)
	}
	for _, op := range []wire.Operation{wire.GetResponse, wire.ResponseInput, wire.CancelResponse, wire.DeleteResponse} {
		out = append(out, openai.KeptSurface(op, "", nil).Shapes()...)
	}
	return out
}

// models writes the list of models.
func models(names []string, since time.Time) []byte {
	return openai.AppendModels(nil, names, since.Unix())
}

// oneModel writes one model.
func oneModel(names []string, since time.Time) []byte {
	return openai.AppendModel(nil, names[0], since.Unix())
}

// anthropicModel writes it for the Anthropic API's clients.
func anthropicModel(names []string, since time.Time) []byte {
	return anthropic.AppendModel(nil, names[0], since)
}

// anthropicModels writes it for the Anthropic API's clients.
func anthropicModels(names []string, since time.Time) []byte {
	return anthropic.AppendModels(nil, names, since)
}

// spoken is the route in the API that the caller speaks: the list of models is at one path in two.
func (rt route) spoken(r *http.Request) route {
	if rt.list && r.Header.Get("Anthropic-Version") != "" {
		rt.surface, rt.render, rt.idAlso = anthropic.ModelsSurface(), anthropicModels, anthropicID
		if rt.one != "" {
			rt.render = anthropicModel
		}
	}
	return rt
}

// ServeHTTP finds the path's route and the method it takes.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := newCaller(s, w, r)
	defer c.release()
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		// Chunked may have come with a length beside it, by which somebody before us may have counted (RFC 9112, section 6.1):
		// what follows on the connection would be whose?
		w.Header()["Connection"] = closing
	}
	if s.leaving.Load() {
		w.Header()["Connection"] = closing
	}
	rt, ok := s.routes[r.URL.Path]
	if !ok {
		rt, ok = named(r.Method, r.URL.Path)
	}
	rt = rt.spoken(r)
	if rt.kept != "" {
		rt.surface = openai.KeptSurface(rt.kept, rt.one, r.URL.Query())
	}
	c.idAlso = rt.idAlso
	if strings.HasPrefix(r.URL.Path, "/v1/messages/") {
		c.idAlso = anthropicID
	}
	surface := rt.surface
	if surface == nil {
		surface = shapeOf(r.URL.Path)
	}
	switch {
	case !ok || r.URL.RawPath != "" && rt.one == "": // an escaped path could mean another one to whoever stands behind or before us
		s.refuse(c, surface, &wire.Fault{Code: wire.NotFound, Message: "no such path; see GET /v1/models, POST /v1/chat/completions, POST /inference"})
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", rt.allows())
		c.answering()
		w.WriteHeader(http.StatusNoContent)
		c.written()
	case r.Method != rt.method && (r.Method != http.MethodHead || rt.method != http.MethodGet):
		w.Header().Set("Allow", rt.allows())
		s.refuse(c, surface, &wire.Fault{Code: wire.MethodNotAllowed, Message: "this path takes " + rt.allows()})
	case rt.surface == nil:
		_ = c.json(http.StatusOK, []byte(rt.page)) // a caller that went away needs no answer
	default:
		s.exchange(c, rt)
	}
}

// exchange lets at most MaxExchanges run at once.
func (s *Server) exchange(c *caller, rt route) {
	defer s.running.Add(-1)
	if s.running.Add(1) > int64(s.opts.MaxExchanges) {
		s.refuse(c, rt.surface, &wire.Fault{Code: wire.Overloaded, Message: "too many requests are running; try again later", RetryAfter: 1})
		return
	}
	switch {
	case rt.list && rt.one != "":
		s.opts.Pipeline.Model(c.r.Context(), rt.surface, c, rt.one, rt.render)
	case rt.list:
		s.opts.Pipeline.List(c.r.Context(), rt.surface, c, rt.render)
	default:
		s.opts.Pipeline.Serve(c.r.Context(), rt.surface, c)
	}
	if c.gone {
		panic(http.ErrAbortHandler) // net/http's own way to say it; nothing is logged
	}
}

// allows are the methods that the path takes, as Allow lists them.
func (rt route) allows() string {
	switch {
	case rt.allow != "":
		return rt.allow
	case rt.method == http.MethodGet:
		return "GET, HEAD, OPTIONS"
	}
	return rt.method + ", OPTIONS"
}

// shapeOf is the surface whose error shape a path without one takes.
func shapeOf(path string) exchange.Surface {
	switch {
	case strings.HasPrefix(path, "/v1/messages/"):
		return anthropic.MessagesSurface()
	case strings.HasPrefix(path, "/v1/"):
		return openai.ChatSurface()
	case strings.HasPrefix(path, "/v2/"):
		return oip.Surface("")
	}
	return inference.Surface()
}

// number gives an answer that is no exchange's a request id; clients show it in their errors.
func (c *caller) number() string {
	id := uuid.NewString()
	c.w.Header().Set("X-Request-Id", id)
	if c.idAlso != "" {
		c.w.Header().Set(c.idAlso, id)
	}
	return id
}

// refuse answers what never becomes an exchange.
func (s *Server) refuse(c *caller, surface exchange.Surface, f *wire.Fault) {
	if !f.Code.Retry() {
		c.w.Header().Set("X-Should-Retry", "false")
	}
	if f.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	if f.Code == wire.Unauthenticated {
		c.w.Header().Set("Www-Authenticate", "Bearer")
	}
	s.opts.Pipeline.Metrics.Refused(f.Code)
	f.Request = c.number()
	s.opts.Logger.Debug("refused", "id", f.Request, "code", string(f.Code))
	_ = c.json(f.HTTPStatus(), surface.Error(nil, f)) // as in ServeHTTP
}
