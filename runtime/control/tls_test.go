package control_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/pki"
)

// What is wrong with certificates and credentials is told before anything is served, with its place and what to do.
func TestFaultsOfCertificatesAndCredentials(t *testing.T) {
	ca := pki.New(t, "ca")
	cert, key := ca.Server("gateway")
	_, other := ca.Server("other")
	f := func(text, want string) {
		t.Helper()
		dir := t.TempDir()
		for name, text := range files(t) {
			write(t, filepath.Join(dir, name), text)
		}
		for name, text := range map[string]string{"cert.pem": cert, "key.pem": key, "other.pem": other, "none.pem": "no PEM"} {
			write(t, filepath.Join(dir, name), text)
		}
		write(t, filepath.Join(dir, "sluice.yaml"), "listen: 127.0.0.1:0\n"+text)
		var log strings.Builder
		_, err := control.Check(t.Context(), options(dir, &log), false)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "PRIVATE") || strings.Contains(err.Error(), "sk-") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f("tls: {cert: gone.pem, key: key.pem}\n"+smallest, "sluice.yaml:2:13: tls.cert: ")
	f("tls: {cert: cert.pem, key: other.pem}\n"+smallest, "are no certificate with its key")
	f("tls: {cert: cert.pem, key: none.pem}\n"+smallest, "are no certificate with its key")
	mtls := "tls: {cert: cert.pem, key: key.pem}\n" + strings.Replace(smallest, "auth:\n", "auth:\n  mtls: {ca_file: CA}\n", 1)
	f(strings.Replace(mtls, "CA", "gone.pem", 1), "sluice.yaml:4:19: auth.mtls.ca_file: cannot read the certificates")
	f(strings.Replace(mtls, "CA", "none.pem", 1), "no certificate in")
	t.Setenv("SLUICE_TEST_TOKEN", "https://models.example.com/v1")
	endpoint := func(credential string) string {
		return strings.Replace(smallest, "{name: one, provider: demo}", "{name: one, provider: openai, url: https://127.0.0.1/v1, "+credential+"}", 1)
	}
	f(endpoint("credential: {env: SLUICE_TEST_TOKEN}"), "credential: SLUICE_TEST_TOKEN looks like a URL, not a secret; are the two swapped?")
	f(endpoint("credential: {command: [./gone]}"), "credential.command[0]: no such program")
	f(endpoint("credential: {command: [./none.pem]}"), "credential.command[0]: no such program, or it may not be run")
	f(endpoint(`credential: {oauth2: {token_url: "https://idp.example.com/t", client_id: a, client_secret: {env: SLUICE_TEST_UNSET}}}`), "oauth2.client_secret: environment variable SLUICE_TEST_UNSET is not set")
	f(endpoint("client_cert: cert.pem, client_key: other.pem"), "endpoints[0].client_cert: ")
	t.Setenv("SLUICE_TEST_URL", "sk-0123456789abcdef")
	f(strings.Replace(endpoint("weight: 1"), "https://127.0.0.1/v1", "{env: SLUICE_TEST_URL}", 1), "looks like a secret, not a URL")
}

// A certificate that is at fault keeps no policy out, and a policy that is at fault no certificate.
func TestCertificatesAndPoliciesApart(t *testing.T) {
	ca := pki.New(t, "ca")
	cert, key := ca.Server("first")
	all := files(t)
	all["cert.pem"], all["key.pem"] = cert, key
	g := gateway.StartWith(t, "tls: {cert: cert.pem, key: key.pem}\n"+smallest, all)
	g.Write("cert.pem", "half of")
	g.Write("policies/main.rego", allow+"# changed\n")
	if err := g.Control.Reload(t.Context(), "test"); err != nil || generation(g) != 2 {
		t.Fatalf("%v", err)
	}
	until(t, "the fault", func() bool { return g.Control.Status().Certificates[0].Fault != "" })
	g.Write("policies/main.rego", "package sluice\n\ndecision := {")
	if err := g.Control.Reload(t.Context(), "test"); err == nil {
		t.Fatal("taken")
	}
	cert, key = ca.Server("second")
	g.Write("cert.pem", cert)
	g.Write("key.pem", key)
	until(t, "the new certificate", func() bool { return strings.Contains(g.Control.Status().Certificates[0].Subject, "second") })
	if st := g.Control.Status(); st.Certificates[0].Fault != "" || st.Fault == "" {
		t.Errorf("%+v", st)
	}
}
