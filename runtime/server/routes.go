package server

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/inference"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// route is what one path does: an exchange through a surface, or a plain page.
type route struct {
	method  string
	surface exchange.Surface                  // nil: page
	page    func(s *Server, c *caller) []byte // its JSON; the errors it has it sends itself and returns nil
}

// table lists every path of the public listener.
func (s *Server) table() map[string]route {
	return map[string]route{
		"/":                    {method: http.MethodGet, page: fixed(`{"status":"ok"}`)},
		"/ping":                {method: http.MethodGet, page: fixed(`{"ok":true}`)},
		"/inference":           {method: http.MethodPost, surface: inference.Surface()},
		"/v1/chat/completions": {method: http.MethodPost, surface: openai.ChatSurface()},
		"/v1/completions":      {method: http.MethodPost, surface: openai.CompletionsSurface()},
		"/v1/embeddings":       {method: http.MethodPost, surface: openai.EmbeddingsSurface()},
		"/v1/models":           {method: http.MethodGet, page: models},
	}
}

func fixed(text string) func(*Server, *caller) []byte {
	body := []byte(text)
	return func(*Server, *caller) []byte { return body }
}

// models answers with the models that the caller may use.
func models(s *Server, c *caller) []byte {
	names, err := s.opts.Pipeline.Models(c.r.Context(), c)
	if err != nil {
		s.refuse(c, openai.ChatSurface(), exchange.AsError(exchange.StageAuthenticate, err).Fault)
		return nil
	}
	return openai.AppendModels(nil, names, s.opts.Pipeline.Current().Created.Unix())
}

// ServeHTTP finds the path's route and the method it takes.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &caller{s: s, w: w, r: r}
	defer c.release()
	rt, ok := s.routes[r.URL.Path]
	surface := rt.surface
	if surface == nil {
		surface = shapeOf(r.URL.Path)
	}
	switch {
	case !ok || r.URL.RawPath != "": // an escaped path could mean another one to whoever stands behind or before us
		s.refuse(c, surface, &wire.Fault{Code: wire.NotFound, Message: "no such path; see GET /v1/models, POST /v1/chat/completions, POST /inference"})
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", allow(rt.method))
		w.WriteHeader(http.StatusNoContent)
	case r.Method != rt.method && (r.Method != http.MethodHead || rt.method != http.MethodGet):
		w.Header().Set("Allow", allow(rt.method))
		s.refuse(c, surface, &wire.Fault{Code: wire.MethodNotAllowed, Message: "this path takes " + allow(rt.method)})
	case rt.page != nil:
		if body := rt.page(s, c); body != nil {
			c.json(http.StatusOK, body)
		}
	default:
		s.exchange(c, rt.surface)
	}
}

// exchange lets at most MaxExchanges run at once.
func (s *Server) exchange(c *caller, surface exchange.Surface) {
	defer s.running.Add(-1)
	if s.running.Add(1) > int64(s.opts.MaxExchanges) {
		s.refuse(c, surface, &wire.Fault{Code: wire.Overloaded, Message: "too many requests are running; try again later", RetryAfter: 1})
		return
	}
	if enc := c.r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		s.refuse(c, surface, &wire.Fault{
			Code: wire.InvalidRequest, Status: http.StatusUnsupportedMediaType,
			Message: "compressed bodies are not read; send the body without Content-Encoding",
		})
		return
	}
	s.opts.Pipeline.Serve(c.r.Context(), surface, c)
}

func allow(method string) string {
	if method == http.MethodGet {
		return "GET, HEAD, OPTIONS"
	}
	return method + ", OPTIONS"
}

// shapeOf is the surface whose error shape a path without one takes.
func shapeOf(path string) exchange.Surface {
	if strings.HasPrefix(path, "/v1/") {
		return openai.ChatSurface()
	}
	return inference.Surface()
}

// refuse answers what never becomes an exchange.
func (s *Server) refuse(c *caller, surface exchange.Surface, f *wire.Fault) {
	if !f.Code.Retry() {
		c.w.Header().Set("X-Should-Retry", "false")
	}
	if f.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	c.json(f.HTTPStatus(), surface.Error(nil, f))
}
