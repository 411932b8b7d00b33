package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"sync"
)

// credential finds the one credential of a request: x-api-key, then api-key, then Authorization: Bearer. The first
// that is present decides; what stands in the others is never tried. The problem is "" when one was found.
func credential(header map[string][]string) (secret, problem string) {
	for _, name := range [...]string{"X-Api-Key", "Api-Key"} {
		if values := header[name]; len(values) > 0 {
			return single(values)
		}
	}
	values := header["Authorization"]
	if len(values) == 0 {
		return "", "no credential; send one in the header x-api-key or as Authorization: Bearer"
	}
	secret, problem = single(values)
	if problem != "" {
		return "", problem
	}
	scheme, rest, _ := strings.Cut(secret, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", "Authorization must be Bearer and the credential, or send it in the header x-api-key"
	}
	return single([]string{rest})
}

// carries tells whether any of the headers that may hold a credential is there.
func carries(header map[string][]string) bool {
	return len(header["X-Api-Key"])+len(header["Api-Key"])+len(header["Authorization"]) > 0
}

// single gives the one value of a header.
func single(values []string) (secret, problem string) {
	if len(values) > 1 {
		return "", "the credential's header is given more than once; send one"
	}
	if secret = strings.Trim(values[0], " \t"); secret == "" {
		return "", "the credential is empty; send one in the header x-api-key or as Authorization: Bearer"
	}
	return secret, ""
}

// forwarded tells whether a proxy says that it forwards for another.
func forwarded(header map[string][]string) bool {
	return len(header["Forwarded"])+len(header["X-Forwarded-For"])+len(header["X-Real-Ip"])+len(header["Via"]) > 0
}

// keyPrefix begins every key made here, so that people and secret scanners know one when they see it.
const keyPrefix = "slk_"

// keyText is base32 (RFC 4648) in lower case, without padding: no character needs quoting anywhere.
var keyText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewKey makes an API key of 256 random bits: the secret for the caller, and its SHA-256 in hexadecimal digits for the
// config.
func NewKey() (secret, sha256hex string) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: see crypto/rand
	secret = keyPrefix + keyText.EncodeToString(random[:])
	digest := sha256.Sum256([]byte(secret))
	return secret, hex.EncodeToString(digest[:])
}

// Ephemeral holds the secrets of ephemeral keys for as long as the process runs, over all reloads. It is safe for
// concurrent use.
type Ephemeral struct {
	mu      sync.Mutex
	secrets map[string]string
}

// NewEphemeral makes an Ephemeral without keys.
func NewEphemeral() *Ephemeral { return &Ephemeral{secrets: map[string]string{}} }

// Secret gives the key of an id, made at random when it is first asked for. It is for printing at the start and for
// nothing else.
func (e *Ephemeral) Secret(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.secrets[id] == "" {
		e.secrets[id], _ = NewKey()
	}
	return e.secrets[id]
}
