package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/admin"
	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/guest"
)

// startDeploying runs a gateway with a deploy folder.
func startDeploying(t *testing.T) *listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.StartWith(t, config+"deploy: {path: filters.d}\n", map[string]string{"filters.d/README": ""})
	return serveWith(t, g, l, admin.Options{}, &http.Transport{})
}

// form is an upload: name, contents, ...
func form(t *testing.T, parts ...string) with {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		to, err := w.CreateFormFile(parts[i], parts[i])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(to, parts[i+1])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body(w.FormDataContentType(), b.String())
}

func body(kind, text string) with {
	return func(r *http.Request) {
		r.Header.Set("Content-Type", kind)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
}

// module is a version of a filter that leaves text alone.
func module(tag string) string { return string(guest.Module(guest.Options{Tag: tag})) }

// A filter is deployed, tried, promoted, gone back from and removed over HTTP, and each call leaves its record.
func TestDeploy(t *testing.T) {
	l := startDeploying(t)
	f := func(page string, changes ...with) control.Deployed {
		t.Helper()
		r := l.ask(page, append(changes, l.token())...)
		if r.Status != 200 {
			t.Fatalf("%s: %d %s", page, r.Status, r.Body)
		}
		var out control.Deployed
		read(t, r, &out)
		return out
	}
	one, two := module("one"), module("two")
	if out := f("POST /filters/ticket/deploy?version=1.0.0", form(t, "module", one)); out.Live.Version != "1.0.0" || out.Live.State != "live" {
		t.Errorf("%+v", out)
	}
	if out := f("POST /filters/ticket/deploy?version=1.1.0&canary=20&max_failures=0.5&min_calls=30", form(t, "module", two, "vectors", `[{"name":"a","text":"a","want":"a"}]`)); out.Filter.State != "canary" || out.Filter.Share != 20 || out.Live.Version != "1.0.0" {
		t.Errorf("%+v", out)
	}
	var filters []struct{ Name, Version, State string }
	read(t, l.ask("/filters", l.token()), &filters)
	if got := fmt.Sprint(filters); !strings.Contains(got, "{ticket 1.0.0 live} {ticket 1.1.0 canary}") {
		t.Errorf("/filters: %s", got)
	}
	if out := f("POST /filters/ticket/promote"); out.Live.Version != "1.1.0" || out.Previous == nil || out.Previous.Version != "1.0.0" {
		t.Errorf("%+v", out)
	}
	if out := f("POST /filters/ticket/rollback"); out.Live.Version != "1.0.0" {
		t.Errorf("%+v", out)
	}
	f("POST /filters/ticket/remove")
	var got []string
	for _, rec := range l.Records(6) {
		notes, _ := rec["notes"].(map[string]any)
		got = append(got, fmt.Sprint(notes["action"], " ", notes["filter"], " ", rec["status"]))
	}
	if want := "deploy ticket 200, deploy ticket 200, filters <nil> 200, promote ticket 200, rollback ticket 200, remove ticket 200"; strings.Join(got, ", ") != want {
		t.Errorf("records: %q", got)
	}
}

// What cannot be done is said with a code, and with the stage where it is one; nothing has changed then.
func TestDeployRefused(t *testing.T) {
	l := startDeploying(t)
	good := module("one")
	f := func(page string, status int, code, stage, want string, changes ...with) {
		t.Helper()
		r := l.ask(page, append(changes, l.token())...)
		var p struct{ Code, Stage, Detail string }
		if err := json.Unmarshal([]byte(r.Body), &p); err != nil {
			t.Errorf("%s: %s", page, r.Body)
		}
		if r.Status != status || p.Code != code || p.Stage != stage || !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %d %+v, want %d %s %s with %q", page, r.Status, p, status, code, stage, want)
		}
		if n := len(l.Control.Filters()); n != 1 || l.Control.Status().Generation != 1 {
			t.Errorf("%s: something has changed", page)
		}
	}
	const deploy = "POST /filters/ticket/deploy"
	f(deploy, 400, "bad_upload", "read", "multipart/form-data")
	f(deploy, 400, "bad_upload", "read", "module is missing", form(t, "vectors", "[]"))
	f(deploy, 400, "bad_upload", "read", "none of module", form(t, "module", good, "secret", "x"))
	f(deploy, 400, "bad_upload", "read", "none of module", form(t, "module", good, "module", good))
	f(deploy, 400, "bad_upload", "read", "the manifest: ", form(t, "module", good, "manifest", "{}"))
	f(deploy+"?canary=many", 400, "bad_upload", "read", "canary: expected a number", form(t, "module", good))
	f(deploy+"?canary=101", 400, "bad_upload", "read", "canary: expected a number", form(t, "module", good))
	f(deploy+"?canary=NaN", 400, "bad_upload", "read", "canary: expected a number", form(t, "module", good))
	f(deploy, 413, "too_large", "size", "the manifest may have at most", form(t, "module", good, "manifest", strings.Repeat(" ", artifact.MaxManifest+1)))
	f(deploy, 413, "too_large", "size", "the module may have at most", form(t, "module", strings.Repeat(" ", artifact.MaxModule+1)))
	f(deploy, 422, "deploy_refused", "abi", "sluice_abi_v1", form(t, "module", string(guest.Module(guest.Options{NoABI: true}))))
	f(deploy, 422, "deploy_refused", "self_test", "vector 1", form(t, "module", good, "vectors", `[{"name":"a","text":"a","want":"b"}]`))
	f("POST /filters/No%20Name/deploy", 422, "deploy_refused", "", "name is 1 to 64", form(t, "module", good))
	f(deploy+"?image=oci://127.0.0.1:1/x:1", 422, "deploy_refused", "read", "the registry cannot be asked")
	f("POST /filters/nobody/rollback", 404, "unknown_filter", "", "there are: redact")
	f("POST /filters/redact/rollback", 409, "cannot_be_done", "", "no version to go back to")
	f("POST /filters/redact/promote", 409, "cannot_be_done", "", "no canary")
	f("POST /filters/redact/remove", 409, "cannot_be_done", "", "comes from the configuration")
	if r := l.ask("/readyz", l.token()); !strings.Contains(r.Body, "read: ") {
		t.Errorf("readiness does not name the stage: %s", r.Body)
	}
}

// An upload that ends too early changes nothing, whether the connection ends or the form does.
func TestDeployCutOff(t *testing.T) {
	l := startDeploying(t)
	whole := &http.Request{Header: http.Header{}}
	form(t, "module", module("one"), "vectors", "[]")(whole)
	text, err := io.ReadAll(whole.Body)
	if err != nil {
		t.Fatal(err)
	}
	kind := whole.Header.Get("Content-Type")
	last := bytes.LastIndex(text, []byte("\r\n--"))
	for _, n := range []int{last, len(text) - 4, bytes.Index(text, []byte("vectors")) - 60, 20} {
		r := l.ask("POST /filters/ticket/deploy", body(kind, string(text[:n])), l.token())
		if r.Status != 400 || !strings.Contains(r.Body, "upload_cut_off") {
			t.Errorf("%d of %d bytes: %d %s", n, len(text), r.Status, r.Body)
		}
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(conn, "POST /filters/ticket/deploy HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		l.Control.AdminToken(), kind, len(text), text[:len(text)/2])
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	for _, rec := range l.Records(5)[4:] {
		if rec["status"] != 400.0 || rec["outcome"] != "failed" {
			t.Errorf("recorded %v", rec)
		}
	}
	if n := len(l.Control.Filters()); n != 1 {
		t.Errorf("%d filters", n)
	}
}

// A canary that failed too often is told by readiness, to who may know by its name.
func TestReadyzTellsOfCanaries(t *testing.T) {
	l := startDeploying(t)
	if r := l.ask("POST /filters/ticket/deploy", form(t, "module", module("one")), l.token()); r.Status != 200 {
		t.Fatal(r.Body)
	}
	bad := string(guest.Module(guest.Options{Trap: '!'}))
	if r := l.ask("POST /filters/ticket/deploy?version=2.0.0&canary=100&max_failures=0&min_calls=1", form(t, "module", bad), l.token()); r.Status != 200 {
		t.Fatal(r.Body)
	}
	if r := l.Post("red", "/inference", `{"model_name":"model-a","inputs":"boom!"}`); r.Code() != "filter_failed" {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	if r := l.Post("red", "/inference", `{"model_name":"model-a","inputs":"boom!"}`); r.Status != 200 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if r := l.ask("/readyz"); r.Status != 200 || r.Body != "ok, a canary failed\n" {
		t.Errorf("%d %q", r.Status, r.Body)
	}
	if r := l.ask("/readyz", l.token()); r.Body != "ok\nthe canary of the filter ticket, version 2.0.0, was switched off for its failures\n" {
		t.Errorf("%d %q", r.Status, r.Body)
	}
}
