// Package registry is a small registry of images for tests: the part of the OCI distribution specification 1.1 that
// pushing and pulling needs, on loopback, which can be told to go wrong.
package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Registry serves one repository, filters/ticket. It is stopped when its test ends.
type Registry struct {
	// Before is asked before each request is served; true means that it has answered. nil: never.
	Before func(http.ResponseWriter, *http.Request) bool

	server    *httptest.Server
	mu        sync.Mutex
	blobs     map[string][]byte
	manifests map[string]manifest // by digest
	tags      map[string]string   // to digests
	requests  []string
}

type manifest struct {
	media string
	body  []byte
}

// Repository is the one there is.
const Repository = "filters/ticket"

// New starts an empty registry.
func New(t testing.TB) *Registry {
	t.Helper()
	r := &Registry{blobs: map[string][]byte{}, manifests: map[string]manifest{}, tags: map[string]string{}}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	return r
}

// Image is the reference of a tag, or of @sha256:... .
func (r *Registry) Image(ref string) string {
	if !strings.HasPrefix(ref, "@") {
		ref = ":" + ref
	}
	return "oci://" + strings.TrimPrefix(r.server.URL, "http://") + "/" + Repository + ref
}

// Host is the registry's host and port.
func (r *Registry) Host() string { return strings.TrimPrefix(r.server.URL, "http://") }

// Stop makes the registry unreachable.
func (r *Registry) Stop() { r.server.Close() }

// Requests are the methods and paths asked for so far.
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.requests...)
}

// Sum is the digest of b, as registries write it.
func Sum(b []byte) string {
	d := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(d[:])
}

// Blob puts a blob there and returns its digest.
func (r *Registry) Blob(b []byte) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[Sum(b)] = b
	return Sum(b)
}

// Tag puts a manifest there under a tag, which may have been another's, and returns its digest.
func (r *Registry) Tag(tag, media string, body []byte) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifests[Sum(body)] = manifest{media, body}
	r.tags[tag] = Sum(body)
	return Sum(body)
}

func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, req.Method+" "+req.URL.Path)
	r.mu.Unlock()
	if r.Before != nil && r.Before(w, req) {
		return
	}
	rest, ok := strings.CutPrefix(req.URL.Path, "/v2/"+Repository+"/")
	kind, name, _ := strings.Cut(rest, "/")
	switch {
	case !ok:
		http.Error(w, `{"errors":[{"code":"NAME_UNKNOWN"}]}`, http.StatusNotFound)
	case req.Method == http.MethodPost && rest == "blobs/uploads/":
		w.Header().Set("Location", "/v2/"+Repository+"/blobs/uploads/1")
		w.WriteHeader(http.StatusAccepted)
	case req.Method == http.MethodPut:
		r.put(w, req, kind, name)
	case kind == "blobs":
		r.mu.Lock()
		b, ok := r.blobs[name]
		r.mu.Unlock()
		answer(w, req, ok, "application/octet-stream", b)
	default:
		r.mu.Lock()
		if d, ok := r.tags[name]; ok {
			name = d
		}
		m, ok := r.manifests[name]
		r.mu.Unlock()
		answer(w, req, ok, m.media, m.body)
	}
}

func (r *Registry) put(w http.ResponseWriter, req *http.Request, kind, name string) {
	b, err := io.ReadAll(req.Body)
	switch {
	case err != nil:
		http.Error(w, "", http.StatusBadRequest)
		return
	case kind == "manifests":
		r.Tag(name, req.Header.Get("Content-Type"), b)
	default:
		r.Blob(b)
	}
	w.Header().Set("Docker-Content-Digest", Sum(b))
	w.WriteHeader(http.StatusCreated)
}

func answer(w http.ResponseWriter, req *http.Request, ok bool, media string, b []byte) {
	if !ok {
		http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Docker-Content-Digest", Sum(b))
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if req.Method != http.MethodHead {
		_, _ = w.Write(b) // whoever went away needs no answer
	}
}
