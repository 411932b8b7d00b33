package bundle

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/plugins/bundle"
)

// The stages that a bundle goes through before the gate's own.
const (
	StageDownload  = "download"  // the server was asked, and answered
	StageSize      = "size"      // it is within its bound
	StageRead      = "read"      // it is an archive with modules and data
	StageSignature = "signature" // it is signed as the configuration wants it
	StageParse     = "parse"     // its modules are Rego
	StageWait      = "wait"      // the other bundles are there, too
	StageActivate  = "activate"  // whatever the gate names no stage for
)

// Fault is why a bundle is not taken: at which stage, and what to do.
type Fault struct {
	Stage   string
	Message string
	Cause   error // nil, or an error of whoever activates
}

// Error is stage: message.
func (f *Fault) Error() string { return f.Stage + ": " + f.Message }

// Unwrap is the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// origin is where a bundle comes from.
type origin struct {
	bundle, service, resource string
	limit                     int64
}

// faultOf makes a fault of what OPA reports. noted is what was seen on the way; OPA tells its text alone.
func faultOf(s bundle.Status, noted error, from origin) *Fault {
	if f := (*Fault)(nil); errors.As(noted, &f) {
		return f
	}
	resource, _, _ := strings.Cut(from.resource, "?")
	code := s.HTTPCode.String()
	switch {
	case code == "401" || code == "403":
		return &Fault{Stage: StageDownload, Message: fmt.Sprintf("the server refuses the credential (status %s); set opa.services.%s.credentials to one that may read %s", code, from.service, resource)}
	case code == "404":
		return &Fault{Stage: StageDownload, Message: fmt.Sprintf("the server has nothing at %s (status 404); correct opa.bundles.%s.resource, or put the bundle there", resource, from.bundle)}
	case code != "":
		return &Fault{Stage: StageDownload, Message: fmt.Sprintf("the server answers with status %s; look into its log", code)}
	case len(s.Errors) > 0:
		lines := make([]string, len(s.Errors))
		for i, err := range s.Errors {
			lines[i] = err.Error()
		}
		return &Fault{Stage: StageParse, Message: strings.Join(lines, "\n")}
	}
	return faultByText(s.Message, from)
}

// texts are OPA's own words for what has no type, with the stage that they are of and what to do.
var texts = []struct{ text, stage, hint string }{
	{"failed to pull", StageDownload, "check opa.bundles.%s.resource, the service's url and its credentials"},
	{"missing .signatures.json", StageSignature, "it is not signed; sign it with opa sign, or opa build --signing-key"},
	{"verification key not provided", StageSignature, "it is signed, and no key is there to verify it with; write opa.keys and signing"},
	{"failed to verify JWT signature", StageSignature, "the signature is not of the key that signing names; sign it with that key, or correct opa.keys"},
	{"scope mismatch", StageSignature, "the signature was made for another scope; sign it with the scope that signing names"},
	{"verification key corresponding to", StageSignature, "the signature names a key that opa.keys has not; add the key, or sign with one that is there"},
	{"verification key ID is empty", StageSignature, "the signature names no key; write signing: {keyid: NAME}"},
	{"digest mismatch", StageSignature, "a file is not the one that was signed; sign the bundle anew"},
	{"not included in bundle signature", StageSignature, "a file was added after signing; sign the bundle anew"},
	{"specified in bundle signatures but not found", StageSignature, "a file that was signed is missing; build and sign the bundle anew"},
	{"no verifier exists", StageSignature, "it was signed with a plugin; sign it with opa sign"},
	{"JWT", StageSignature, "the signature cannot be read; sign the bundle anew"},
	{"failed to parse PEM", StageSignature, "the key in opa.keys is no PEM of a public key or certificate; write it so"},
	{"exceeds configured size_limit_bytes", StageSize, "leave out what is no policy, or raise size_limit_bytes"},
	{"delta bundles do not support", StageSignature, "let the server send whole bundles, as the header Prefer: modes=snapshot asks for"},
	{"persisting delta bundle", StageRead, "let the server send whole bundles, as the header Prefer: modes=snapshot asks for, or remove persist"},
	{"delta bundle", StageRead, "build the delta anew"},
	{"manifest", StageRead, "correct .manifest and build the bundle anew"},
	{"not permitted in bundle", StageRead, "correct the roots in .manifest, or move the file"},
	{"Persisting", StageActivate, "check that opa.persistence_directory can be written to"},
}

func faultByText(text string, from origin) *Fault {
	for _, t := range texts {
		if strings.Contains(text, t.text) {
			hint := t.hint
			if strings.Contains(hint, "%s") {
				hint = fmt.Sprintf(hint, from.bundle)
			}
			return &Fault{Stage: t.stage, Message: withoutQuery(text) + ": " + hint}
		}
	}
	return &Fault{Stage: StageRead, Message: withoutQuery(text)}
}

// withoutQuery leaves out of a text what stands behind a question mark in its addresses: it may be a credential.
func withoutQuery(text string) string {
	words := strings.Split(text, " ")
	for i, w := range words {
		if before, _, ok := strings.Cut(w, "?"); ok && strings.Contains(before, "/") {
			words[i] = before
		}
	}
	return strings.Join(words, " ")
}

// noCredential says of a credential that could not be had what to look at. What a token server answers stays there.
func noCredential(ctx context.Context, err error, limit time.Duration) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	what := "its answer is not shown here, look into its log, and at client_id, the secret and scopes"
	wrong, fault := (*url.Error)(nil), (*Fault)(nil)
	if (errors.As(err, &wrong) || ctx.Err() != nil) && errors.As(unreachable(ctx, err, limit), &fault) {
		what = fault.Message
	}
	return &Fault{Stage: StageDownload, Message: "there is no credential for the server, for where it comes from gave none: " + what}
}

// errSlow ends a request that takes too long.
var errSlow = errors.New("it takes too long")

// unreachable says of a request that failed what to look at. It never names the address with what may be a secret in it.
func unreachable(ctx context.Context, err error, limit time.Duration) error {
	var (
		ours  *Fault
		wrong *url.Error
		host  x509.HostnameError
		who   x509.UnknownAuthorityError
		old   x509.CertificateInvalidError
		slow  net.Error
		reset *net.OpError
	)
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(context.Cause(ctx), errSlow):
		return &Fault{Stage: StageDownload, Message: fmt.Sprintf("the server is too slow: no whole answer within %v; look at it and at what is between", limit)}
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &old) && old.Reason == x509.Expired:
		return &Fault{Stage: StageDownload, Message: fmt.Sprintf("the server's certificate has expired, or is not good yet: %s; renew it, or correct this machine's clock", old.Detail)}
	case errors.As(err, &host):
		return &Fault{Stage: StageDownload, Message: fmt.Sprintf("the server's certificate is for another name: %v; correct the service's url, or the certificate", host)}
	case errors.As(err, &reset) && reset.Op == "remote error": // an alert of TLS
		return &Fault{Stage: StageDownload, Message: fmt.Sprintf("the server ends the handshake: %v; where it wants a certificate, write credentials: {client_tls: {cert: path, private_key: path}} with the service", reset.Err)}
	case errors.As(err, &who), errors.As(err, &old):
		return &Fault{Stage: StageDownload, Message: fmt.Sprintf("the server's certificate is not trusted: %v; write tls: {ca_cert: path} with the service", err)}
	case errors.As(err, &slow) && slow.Timeout():
		return &Fault{Stage: StageDownload, Message: "the server does not answer in time; look at it, or raise response_header_timeout_seconds"}
	case errors.As(err, &wrong):
		err = wrong.Err
	}
	return &Fault{Stage: StageDownload, Message: fmt.Sprintf("the server cannot be reached: %v; check that it runs and that the service's url is right", err)}
}
