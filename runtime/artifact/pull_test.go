package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluicegate/sluice/runtime/internal/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ociManifest = "application/vnd.oci.image.manifest.v1+json"

// layer is one layer of an image under test.
type layer struct {
	media string
	bytes []byte
}

// image tags an image of layers, whose manifest edit may change, and returns its digest.
func image(t *testing.T, r *registry.Registry, tag string, edit func(map[string]any), layers ...layer) string {
	t.Helper()
	list := []any{}
	for _, l := range layers {
		list = append(list, map[string]any{"mediaType": l.media, "digest": r.Blob(l.bytes), "size": len(l.bytes)})
	}
	m := map[string]any{
		"schemaVersion": 2, "mediaType": ociManifest, "layers": list,
		"config": map[string]any{"mediaType": mediaConfig, "digest": r.Blob([]byte("{}")), "size": 2},
	}
	media := ociManifest
	if edit != nil {
		edit(m)
		media, _ = m["mediaType"].(string)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return r.Tag(tag, media, b)
}

// packed is a compressed archive: name, contents, ...
func packed(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(files[i+1]))
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Modules are found in each of the forms that others publish, and what is pushed here is pulled as it was.
func TestPull(t *testing.T) {
	r := registry.New(t)
	f := func(edit func(map[string]any), layers ...layer) {
		t.Helper()
		digest := image(t, r, "1", edit, layers...)
		for _, ref := range []string{"1", "@" + digest} {
			a, err := Pull(context.Background(), r.Image(ref), Login{})
			if err != nil {
				t.Errorf("%s: %v", ref, err)
				continue
			}
			if string(a.Module) != "code" || a.Source != r.Image("@"+digest) {
				t.Errorf("pulled %q from %s", a.Module, a.Source)
			}
		}
	}
	f(nil, layer{"application/wasm", []byte("code")})
	f(nil, layer{"application/vnd.module.wasm.content.layer.v1+wasm", []byte("code")})
	f(nil, layer{"application/vnd.oci.image.layer.v1.tar+gzip", packed(t, "README", "hi", "./plugin.wasm", "code")})
	f(func(m map[string]any) { m["mediaType"] = dockerManifest }, layer{"application/vnd.docker.image.rootfs.diff.tar.gzip", packed(t, "plugin.wasm", "code")})
	f(nil, layer{"application/vnd.dev.cosign.simplesigning.v1+json", []byte("{}")}, layer{"application/wasm", []byte("code")})

	mine, _, _, _ := keys(t)
	a := &Artifact{Source: "x", Module: []byte("other"), Vectors: []byte("[]")}
	if err := a.Sign(Manifest{Name: "ticket", Version: "1.0.0"}, mine); err != nil {
		t.Fatal(err)
	}
	at, err := a.Push(context.Background(), r.Image("2"), Login{})
	if err != nil || !strings.HasPrefix(at, r.Image("@sha256:")) {
		t.Fatalf("pushed to %s, %v", at, err)
	}
	back, err := Pull(context.Background(), r.Image("2"), Login{})
	if err != nil || back.ID() != a.ID() || back.Source != at {
		t.Errorf("pulled %+v, %v", back, err)
	}
	bare := &Artifact{Module: []byte("bare")}
	if _, err := bare.Push(context.Background(), r.Image("2"), Login{}); err != nil {
		t.Fatal(err)
	}
	if moved, err := Pull(context.Background(), r.Image("2"), Login{}); err != nil || string(moved.Module) != "bare" {
		t.Errorf("the tag has moved: %+v, %v", moved, err)
	}
	if old, err := Pull(context.Background(), at, Login{}); err != nil || old.ID() != a.ID() {
		t.Errorf("by its digest: %+v, %v", old, err)
	}
}

// What a registry has or does wrong is refused in plain words, and nothing that it wrote is in them.
func TestPullRefuses(t *testing.T) {
	wasm := layer{"application/wasm", []byte("code")}
	f := func(name, want string, setup func(r *registry.Registry) string) {
		t.Helper()
		r := registry.New(t)
		a, err := Pull(context.Background(), setup(r), Login{})
		if a != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		if blob := registry.Sum([]byte("code")); strings.Contains(want, "bytes, at most") && strings.Contains(fmt.Sprint(r.Requests()), blob) {
			t.Errorf("%s: what is too large was asked for", name)
		}
	}
	tagged := func(edit func(map[string]any), layers ...layer) func(*registry.Registry) string {
		return func(r *registry.Registry) string { image(t, r, "1", edit, layers...); return r.Image("1") }
	}
	// sized says another size of the first layer.
	sized := func(n int64) func(map[string]any) {
		return func(m map[string]any) {
			list, _ := m["layers"].([]any)
			first, _ := list[0].(map[string]any)
			first["size"] = n
		}
	}
	before := func(answer func(http.ResponseWriter, *http.Request) bool) func(*registry.Registry) string {
		return func(r *registry.Registry) string {
			image(t, r, "1", nil, wasm)
			r.Before = answer
			return r.Image("1")
		}
	}
	onBlob := func(answer func(http.ResponseWriter)) func(*registry.Registry) string {
		return before(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/blobs/") {
				return false
			}
			answer(w)
			return true
		})
	}
	f("no such tag", "the registry does not have it", func(r *registry.Registry) string { return r.Image("9") })
	f("no module", "no WebAssembly module", tagged(nil, layer{"text/plain", []byte("hi")}))
	f("no layers", "no WebAssembly module", tagged(nil))
	f("two modules", "has the module twice", tagged(nil, wasm, layer{"application/wasm", []byte("more")}))
	f("an index", "list of several images", tagged(func(m map[string]any) { m["mediaType"] = "application/vnd.oci.image.index.v1+json" }, wasm))
	f("another kind", "its media type is", tagged(func(m map[string]any) { m["mediaType"] = "application/json" }, wasm))
	f("no JSON", "no JSON of that kind", func(r *registry.Registry) string {
		r.Tag("1", ociManifest, []byte("<html>hunter2"))
		return r.Image("1")
	})
	f("a huge manifest", "too large: the image's manifest has", func(r *registry.Registry) string {
		r.Tag("1", ociManifest, bytes.Repeat([]byte(" "), MaxManifest+1))
		return r.Image("1")
	})
	f("a huge module", "bytes, at most 16777216", tagged(sized(MaxModule+1), wasm))
	f("an impossible size", "bytes, at most 16777216", tagged(sized(-1), wasm))
	f("less than it says", "mismatch Content-Length", tagged(sized(100), wasm))
	f("more than it says", "mismatch Content-Length", tagged(sized(2), wasm))
	f("no digest", "expected a SHA-256", tagged(func(m map[string]any) {
		list, _ := m["layers"].([]any)
		first, _ := list[0].(map[string]any)
		first["digest"] = "sha256:../../x"
	}, wasm))
	f("no archive", "no gzip", tagged(nil, layer{"application/vnd.oci.image.layer.v1.tar+gzip", []byte("code")}))
	f("an archive without it", "has no plugin.wasm", tagged(nil, layer{"application/vnd.oci.image.layer.v1.tar+gzip", packed(t, "other.wasm", "code")}))
	f("a bomb", "too large", tagged(nil, layer{"application/vnd.oci.image.layer.v1.tar+gzip", packed(t, "zeros", strings.Repeat("0", maxUnpacked), "plugin.wasm", "code")}))
	f("a module too large in an archive", "too large", tagged(nil, layer{"application/vnd.oci.image.layer.v1.tar+gzip", packed(t, "plugin.wasm", strings.Repeat("0", MaxModule+1))}))
	f("other bytes", "other bytes than it named", onBlob(func(w http.ResponseWriter) { _, _ = w.Write([]byte("c0de")) }))
	f("cut off", "cut off", onBlob(func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "4")
		_, _ = w.Write([]byte("co"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	f("a blob that is gone", "does not have it", onBlob(func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }))
	f("HTML", "missing required header", before(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>hunter2"))
		return true
	}))
	f("a login", "another credential (status 401)", before(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"hunter2"}]}`, http.StatusUnauthorized)
		return true
	}))
	f("out of order", "cannot be asked: it answers with status 503", before(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "hunter2", http.StatusServiceUnavailable)
		return true
	}))
	f("without end", "redirects without end", before(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		return true
	}))
	f("in clear elsewhere", "which is not https", onBlob(func(w http.ResponseWriter) {
		w.Header().Set("Location", "http://blobs.example.com/x")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	f("nobody there", "cannot be asked", func(r *registry.Registry) string { r.Stop(); return r.Image("1") })
	for _, ref := range []string{"oci://", "oci://x", "oci://registry.example.com/x", "registry.example.com/x:1", "oci://registry.example.com/X:1", "oci://a b/x:1"} {
		f(ref, "is no reference to an image", func(*registry.Registry) string { return ref })
	}
}

// A credential goes to the registry it is for.
func TestPullLogin(t *testing.T) {
	r := registry.New(t)
	image(t, r, "1", nil, layer{"application/wasm", []byte("code")})
	r.Before = func(w http.ResponseWriter, req *http.Request) bool {
		user, password, ok := req.BasicAuth()
		if ok && user == "me" && password == "pass" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		http.Error(w, "{}", http.StatusUnauthorized)
		return true
	}
	if _, err := Pull(context.Background(), r.Image("1"), Login{User: "me", Password: "pass"}); err != nil {
		t.Error(err)
	}
	if _, err := Pull(context.Background(), r.Image("1"), Login{}); err == nil || !strings.Contains(err.Error(), "credential") {
		t.Errorf("without one: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Pull(ctx, r.Image("1"), Login{}); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}
