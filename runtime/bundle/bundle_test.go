package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/plugins/logs"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// archive is a gzipped tar of files of those sizes, perhaps without its end.
func archive(t testing.TB, whole bool, sizes ...int) []byte {
	t.Helper()
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, size := range sizes {
		if err := w.WriteHeader(&tar.Header{Name: "data.json", Mode: 0o600, Size: int64(size)}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if whole {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(text.Bytes())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestVetArchive(t *testing.T) {
	f := func(body []byte, most int64, want string) {
		t.Helper()
		err := vetArchive("application/gzip", body, most)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	good := archive(t, true, 10, 2000)
	f(good, 10_000, "")
	f(good, 2000, "size: it is larger than 2000 bytes")
	f(archive(t, true, 1<<20), 1<<16, "size: ")                   // packs to a thousandth
	f(archive(t, false, 10, 2000), 10_000, "read: it is cut off") // between two files, which OPA takes
	f(good[:len(good)-4], 10_000, "read: it is cut off")
	spoilt := bytes.Clone(good)
	spoilt[len(spoilt)-5] ^= 1 // the checksum
	f(spoilt, 10_000, "read: the archive is damaged")
	f([]byte{0x1f, 0x8b}, 10_000, "read: it is cut off")
	f([]byte("<html>"), 10_000, "download: the server answers with a page of HTML")
	f(nil, 10_000, "read: the answer is empty")
}

// Whatever a server sends, looking at it ends, within the bound.
func FuzzVetArchive(f *testing.F) {
	f.Add([]byte("<html>"))
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0})
	f.Add(archive(f, true, 10, 2000))
	f.Add(archive(f, false, 3))
	f.Fuzz(func(_ *testing.T, body []byte) { _ = vetArchive("", body, 1<<16) })
}

// What OPA leaves open is bounded, and what the configuration says stays.
func TestBounds(t *testing.T) {
	cfg, err := parse([]byte(`{"services":{"a":{"url":"https://a.example.com","credentials":{"bearer":{"token":"t"}}}},
		"bundles":{"x":{"service":"a"}},"decision_logs":{"service":"a"}}`))
	if err != nil {
		t.Fatal(err)
	}
	text, inner, err := cfg.bounded()
	if err != nil || inner["a"].Credentials.Bearer == nil || inner["bundle/x"].bundle != "x" {
		t.Fatal(inner, err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"services": map[string]any{
			"a":        map[string]any{"name": "a", "url": "https://a.example.com", "credentials": map[string]any{"plugin": "sluice/a"}},
			"bundle/x": map[string]any{"name": "bundle/x", "url": "https://a.example.com", "credentials": map[string]any{"plugin": "sluice/bundle/x"}},
		},
		"bundles": map[string]any{"x": map[string]any{"service": "bundle/x", "size_limit_bytes": 64.0 * (1 << 20)}},
		"decision_logs": map[string]any{
			"service": "a", "reporting": map[string]any{"buffer_size_limit_bytes": 64.0 * (1 << 20)},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s", text)
	}
	if limits := cfg.limits(); limits["x"] != 64<<20 {
		t.Error(limits)
	}
}

// What OPA says has an address in it, whose query may be a credential.
func TestNoQueriesInFaults(t *testing.T) {
	got := faultByText(`request failed: Get "https://a.example.com/b.tar.gz?sig=s3cret": broken`, origin{bundle: "x"})
	if strings.Contains(got.Message, "s3cret") || got.Stage != StageRead {
		t.Error(got)
	}
}

// An event keeps its marks on the way through OPA's own masking.
func TestMarks(t *testing.T) {
	f := func(line, input string, erased, masked []string) {
		t.Helper()
		info, err := infoOf([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		var e logs.EventV1
		e.Input = info.Input
		text, err := json.Marshal(info.Input)
		if err != nil || string(text) != input {
			t.Errorf("%s, want %s: %v", text, input, err)
		}
		var marks struct {
			Erased []string
			Masked []struct{ Path string }
		}
		if err := json.Unmarshal([]byte(info.InputAST.String()), &marks); err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, m := range marks.Masked {
			paths = append(paths, m.Path)
		}
		if !reflect.DeepEqual(marks.Erased, erased) || !reflect.DeepEqual(paths, masked) {
			t.Errorf("%v %v", marks.Erased, paths)
		}
	}
	f(`{"input":{"a":1,"p":{}},"erased":["/input/p/text"],"masked":["/input/a","/input/gone"]}`, `{"a":1,"p":{"text":null}}`, []string{"/input/p/text"}, []string{"/input/a"})
	f(`{"input":{"l":[1,2]},"erased":["/input/l/1","/custom/x"]}`, `{"l":[1,null,2]}`, []string{"/input/l/1"}, nil)
	f(`{"erased":["/input"]}`, `null`, []string{"/input"}, nil)
	f(`{"input":{},"erased":["/input/a/b"]}`, `{"a":{"b":null}}`, []string{"/input/a/b"}, nil)
}

// A configuration that OPA does not take is refused, and leaves nothing behind.
func TestNew(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		c, err := New(Options{Config: []byte(config), Timeout: time.Second})
		if err == nil {
			c.Close(t.Context())
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(`{"services":{"a":{"url":"https://a.example.com"}},"bundles":{"x":{"service":"a"}},"status":{},"decision_logs":{}}`, "")
	f(`{"services":{"a":{"url":"https://a.example.com"}},"bundles":{"x":{"service":"b"}}}`, `service name "b" not found`)
	f(`{"services":{"a":{"url":"https://a.example.com","credentials":{"bearer":{"token":"t"},"gcp_metadata":{}}}}}`, "a maximum one credential method")
	f(`{"keys":{"k":{"key":"x","algorithm":"none"}}}`, "unsupported algorithm")
	f(`[]`, "no JSON")
}
