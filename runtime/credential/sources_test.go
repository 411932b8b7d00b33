package credential_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/credential"
)

// script writes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommand(t *testing.T) {
	f := func(c credential.Command, text, want, fault string) {
		t.Helper()
		c.Args = append([]string{script(t, text)}, c.Args...)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		got, err := c.Fetch(ctx)
		if got.Secret != want || (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: got %q, %v; want %q, %s", text, got.Secret, err, want, fault)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error shows what was written: %v", err)
		}
	}
	f(credential.Command{}, "echo s3cr3t", "s3cr3t", "")
	f(credential.Command{Args: []string{"a b", "$HOME", "*"}}, `printf '%s|' "$@"`, "a b|$HOME|*|", "") // no shell reads the arguments
	f(credential.Command{JSON: "status.token"}, `echo '{"status":{"token":"s3cr3t"}}'`, "s3cr3t", "")
	f(credential.Command{JSON: "token"}, "echo s3cr3t", "", "no JSON object with text in its field token")
	f(credential.Command{}, "echo s3cr3t; echo s3cr3t >&2; exit 3", "", "exit code 3")
	f(credential.Command{}, "while :; do echo s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t; done", "", "more than 65536 bytes")
	gone := credential.Command{Args: []string{filepath.Join(t.TempDir(), "gone")}}
	if _, err := gone.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be run") {
		t.Errorf("%v", err)
	}
}

// What does not end in time is killed, with all that it has started.
func TestCommandTimeout(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	c := credential.Command{Args: []string{script(t, "(sleep 1; echo late > "+mark+") & sleep 60")}}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Fetch(ctx); err == nil || !strings.Contains(err.Error(), "did not end in time") {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond)
	if _, err := os.Stat(mark); err == nil {
		t.Error("its child lives on")
	}
}

// grants answers as a token endpoint that is told what to say.
func grants(t *testing.T, status int, body string, seen *http.Request) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err == nil && seen != nil {
			*seen = *r.Clone(context.Background())
		}
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/token"
}

func TestClientCredentials(t *testing.T) {
	f := func(status int, body, want, fault string) {
		t.Helper()
		var seen http.Request
		c := credential.ClientCredentials{
			TokenURL: grants(t, status, body, &seen), ID: "gate way", Secret: func() (string, error) { return "s3cr3t+/", nil }, Scopes: []string{"a", "b"},
		}
		fetch, err := c.NewFetch()
		if err != nil {
			t.Fatal(err)
		}
		got, err := fetch(t.Context())
		if got.Secret != want || (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: got %q, %v; want %q, %s", body, got.Secret, err, want, fault)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "GOSSIP")) {
			t.Errorf("the error shows too much: %v", err)
		}
		id, secret, _ := seen.BasicAuth()
		if id != "gate+way" || secret != "s3cr3t%2B%2F" || seen.Form.Get("grant_type") != "client_credentials" || seen.Form.Get("scope") != "a b" {
			t.Errorf("asked with %q %q %v", id, secret, seen.Form)
		}
		if want != "" && strings.Contains(body, "3600") && (got.Expires.Before(time.Now().Add(time.Hour-time.Minute)) || got.Expires.After(time.Now().Add(time.Hour))) {
			t.Errorf("expires %v", got.Expires)
		}
	}
	f(200, `{"access_token":"tok","token_type":"bearer","expires_in":3600}`, "tok", "")
	f(200, `{"access_token":"tok","token_type":"Bearer","expires_in":"3600"}`, "tok", "")
	f(200, `{"access_token":"tok"}`, "tok", "")
	f(200, `{"access_token":"tok","expires_in":-5}`, "tok", "")
	f(200, `{"access_token":"s3cr3t","token_type":"mac"}`, "", "no Bearer token")
	f(200, `{"token":"s3cr3t"}`, "", "no access_token")
	f(200, `<html>GOSSIP</html>`, "", "no access_token")
	f(200, strings.Repeat(" ", 70<<10), "", "larger than 65536 bytes")
	f(400, `{"error":"invalid_client","error_description":"GOSSIP s3cr3t"}`, "", "refuses: invalid_client (status 400)")
	f(401, `{"error":"GOSSIP"}`, "", "answers with status 401")
	f(302, ``, "", "answers with status 302")
	f(503, `GOSSIP`, "", "answers with status 503")
}

func TestClientCredentialsInBody(t *testing.T) {
	var seen http.Request
	c := credential.ClientCredentials{
		TokenURL: grants(t, 200, `{"access_token":"tok"}`, &seen), ID: "a", Secret: func() (string, error) { return "b", nil }, InBody: true, Audience: "models",
	}
	fetch, err := c.NewFetch()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen.Header.Get("Authorization") != "" || seen.Form.Get("client_id") != "a" || seen.Form.Get("client_secret") != "b" || seen.Form.Get("audience") != "models" {
		t.Errorf("asked with %v %v", seen.Header, seen.Form)
	}
	bad := func(url string) {
		t.Helper()
		c.TokenURL = url
		if _, err := c.NewFetch(); err == nil {
			t.Errorf("%s is taken", url)
		}
	}
	bad("http://idp.example.com/token")
	bad("https://user:s3cr3t@idp.example.com/token")
	bad("idp.example.com/token")
	c.RootCAs = []byte("no PEM")
	bad("https://idp.example.com/token")
}
