package credential

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"
)

// expiry is the exp of a JSON Web Token (RFC 7519, section 4.1.4), zero for anything else. The token is not verified: it
// is the gateway's own, and only to be renewed in time.
func expiry(secret string) time.Time {
	_, rest, ok := strings.Cut(secret, ".")
	payload, signature, two := strings.Cut(rest, ".")
	if !ok || !two || strings.Contains(signature, ".") {
		return time.Time{}
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(payload, "="))
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Exp *float64 `json:"exp"`
	}
	if json.Unmarshal(text, &claims) != nil || claims.Exp == nil || !(*claims.Exp > 0 && *claims.Exp < math.MaxInt32*100.) {
		return time.Time{}
	}
	return time.Unix(int64(*claims.Exp), 0)
}
