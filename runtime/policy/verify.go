package policy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/keys"
)

const signaturesFile = ".signatures.json"

// Key is a key that signatures are verified with.
type Key struct {
	Key       string `json:"key"`       // PEM of a public key or certificate; of HS algorithms, the secret
	Algorithm string `json:"algorithm"` // such as RS256, which "" means
	Scope     string `json:"scope"`     // what signatures by it are made for
}

// Signing says which signature a Source must have: as opa sign makes them, over all that is read of it.
type Signing struct {
	Keys    map[string]Key // by id
	KeyID   string         // "" is the one that the signature names
	Scope   string         // "" is the key's
	Exclude []string       // patterns of files that need not be signed
}

// Verify checks the signature of a Source: whose it is, that it covers every file, and that it has not expired. The error
// is Faults.
func (s Source) Verify(by Signing, now time.Time) error {
	fault := func(format string, args ...any) error {
		return Faults{{Stage: StageSignature, File: s.shown(signaturesFile), Message: fmt.Sprintf(format, args...)}}
	}
	if s.signatures == nil {
		return fault("it is not there, and a signature is required; make it with opa sign")
	}
	var signed bundle.SignaturesConfig
	if err := json.Unmarshal(s.signatures, &signed); err != nil {
		return fault("it is no JSON of signatures; make it anew with opa sign")
	}
	files, err := bundle.VerifyBundleSignature(signed, by.config())
	if err != nil {
		return fault("%v; sign with a key and scope that the configuration names, or correct opa.keys", err)
	}
	if err := s.expired(now); err != nil {
		return err
	}
	for _, f := range s.files {
		if by.excluded(f.path) {
			delete(files, f.path)
			continue
		}
		if err := bundle.VerifyBundleFile(f.path, *bytes.NewBuffer(f.body), files); err != nil {
			return fault("%v; sign the folder anew", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if wanted(name) {
			return fault("%s was signed and is missing; put it back, or sign the folder anew", name)
		}
	}
	return nil
}

// Unexpired checks that a signature that was verified elsewhere, if there is one, has not expired. OPA does not look at its
// claim exp (RFC 7519, 4.1.4). The error is Faults.
func (s Source) Unexpired(now time.Time) error {
	if s.signatures == nil {
		return nil
	}
	return s.expired(now)
}

// expired reads the claims of signatures that were verified.
func (s Source) expired(now time.Time) error {
	var signed bundle.SignaturesConfig
	_ = json.Unmarshal(s.signatures, &signed) // it was read before
	for _, token := range signed.Signatures {
		var claims struct {
			Expires   json.Number `json:"exp"`
			NotBefore json.Number `json:"nbf"`
		}
		_, rest, _ := strings.Cut(token, ".")
		payload, _, _ := strings.Cut(rest, ".")
		text, err := base64.RawURLEncoding.DecodeString(payload)
		if err == nil {
			err = json.Unmarshal(text, &claims)
		}
		if err != nil {
			return Faults{{Stage: StageSignature, File: s.shown(signaturesFile), Message: "its claims cannot be read; sign anew"}}
		}
		if end, ok := moment(claims.Expires); ok && !now.Before(end) {
			return Faults{{Stage: StageSignature, File: s.shown(signaturesFile), Message: fmt.Sprintf("the signature has expired at %s; sign anew", end.Format(time.RFC3339))}}
		}
		if begin, ok := moment(claims.NotBefore); ok && now.Before(begin) {
			return Faults{{Stage: StageSignature, File: s.shown(signaturesFile), Message: fmt.Sprintf("the signature is good from %s on; check the clocks", begin.Format(time.RFC3339))}}
		}
	}
	return nil
}

// moment is a NumericDate (RFC 7519, 2).
func moment(n json.Number) (time.Time, bool) {
	seconds, err := n.Float64()
	return time.Unix(int64(seconds), 0).UTC(), err == nil
}

func (s Signing) config() *bundle.VerificationConfig {
	known := map[string]*keys.Config{}
	for id, k := range s.Keys {
		known[id] = &keys.Config{Key: k.Key, Algorithm: k.Algorithm, Scope: k.Scope}
		if k.Algorithm == "" {
			known[id].Algorithm = "RS256"
		}
	}
	return bundle.NewVerificationConfig(known, s.KeyID, s.Scope, nil)
}

func (s Signing) excluded(name string) bool {
	return slices.ContainsFunc(s.Exclude, func(pattern string) bool {
		ok, _ := filepath.Match(pattern, name)
		return ok
	})
}
