package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"plain": "s3cr3t-value\n", "crlf": "s3cr3t-value\r\n", "empty": "\n", "two": "s3cr3t\nvalue\n", "url": "https://models.example.com/v1\n",
		"jwt.json": `{"access_token":"s3cr3t-value","data":{"token":"s3cr3t-inner"},"n":7,"e":""}`, "big": strings.Repeat("s3cr3t", 20000),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("MODEL_A_TOKEN", "s3cr3t-value")
	t.Setenv("MODEL_B_TOKEN", "https://models.example.com/v1")
	t.Setenv("MODEL_C_TOKEN", "")
	t.Setenv("MODEL_D_TOKEN", "ChangeMe")
	t.Setenv("MODEL_E_TOKEN", "<your token>")
	f := func(r Ref, want, fault string) {
		t.Helper()
		got, err := r.Resolve(dir)
		if got != want || (err == nil) != (fault == "") || err != nil && err.Error() != fault {
			t.Errorf("%v: got %q, %v; want %q, %s", r, got, err, want, fault)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "example.com")) {
			t.Errorf("%v: the error shows the value: %v", r, err)
		}
	}
	f(Ref{Env: "MODEL_A_TOKEN"}, "s3cr3t-value", "")
	f(Ref{Env: "MODEL_B_TOKEN"}, "", "MODEL_B_TOKEN looks like a URL, not a secret; are the two swapped?")
	t.Setenv("MODEL_G_TOKEN", "Models.example.com:8443/namespaces/a/v1")
	f(Ref{Env: "MODEL_G_TOKEN"}, "", "MODEL_G_TOKEN looks like a URL, not a secret; are the two swapped?")
	t.Setenv("MODEL_H_TOKEN", "HTTPS://models.example.com")
	f(Ref{Env: "MODEL_H_TOKEN"}, "", "MODEL_H_TOKEN looks like a URL, not a secret; are the two swapped?")
	t.Setenv("MODEL_I_TOKEN", "c2VjcmV0Ww==/s3cr3t-value+a.b/c")
	f(Ref{Env: "MODEL_I_TOKEN"}, "c2VjcmV0Ww==/s3cr3t-value+a.b/c", "")
	f(Ref{Env: "MODEL_C_TOKEN"}, "", "environment variable MODEL_C_TOKEN is empty; put the secret there")
	f(Ref{Env: "MODEL_D_TOKEN"}, "", "environment variable MODEL_D_TOKEN holds a placeholder; put the real secret there")
	f(Ref{Env: "MODEL_E_TOKEN"}, "", "environment variable MODEL_E_TOKEN holds a placeholder; put the real secret there")
	f(Ref{Env: "MODEL_F_TOKEN"}, "", "environment variable MODEL_F_TOKEN is not set; set it")
	f(Ref{File: "plain"}, "s3cr3t-value", "")
	f(Ref{File: filepath.Join(dir, "crlf")}, "s3cr3t-value", "")
	f(Ref{File: "empty"}, "", "file empty is empty; put the secret there")
	f(Ref{File: "two"}, "", "file two holds a space, a newline or a control character; a secret has none")
	f(Ref{File: "url"}, "", "file url looks like a URL, not a secret; are the two swapped?")
	f(Ref{File: "none"}, "", "file none cannot be opened: no such file or directory; check the path")
	f(Ref{File: "big"}, "", "file big larger than 65536 bytes; is it the right file?")
	f(Ref{File: "jwt.json", JSON: "access_token"}, "s3cr3t-value", "")
	f(Ref{File: "jwt.json", JSON: "data.token"}, "s3cr3t-inner", "")
	f(Ref{File: "jwt.json", JSON: "n"}, "", "file jwt.json has no text in its field n; check the field's name")
	f(Ref{File: "jwt.json", JSON: "data"}, "", "file jwt.json has no text in its field data; check the field's name")
	f(Ref{File: "jwt.json", JSON: "e"}, "", "field e of file jwt.json is empty; put the secret there")
	f(Ref{File: "plain", JSON: "a"}, "", "file plain is not JSON; leave json out if it holds the secret alone")
}
