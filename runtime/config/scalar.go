package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Size is a number of bytes, written with its unit: 512B, 64KiB, 8MiB, 1GiB.
type Size int64

// The units of Size.
const (
	KiB Size = 1 << (10 * (iota + 1))
	MiB
	GiB
)

var sizeUnits = []struct {
	suffix string
	size   Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

// String is the size in its largest whole unit.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s >= u.size && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// Digest is a SHA-256, written as 64 hexadecimal digits.
type Digest [sha256.Size]byte

// String is the digest in hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText gives the digest in hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// PublicKey is an Ed25519 public key, written as ed25519: and its 32 bytes as base64.
type PublicKey [32]byte

const publicKeyPrefix = "ed25519:"

// String is the key as it is written.
func (k PublicKey) String() string { return publicKeyPrefix + base64.StdEncoding.EncodeToString(k[:]) }

// MarshalText gives the key as it is written.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// setScalar decodes a value that has a notation of its own.
func setScalar[T any](d *decoder, p *place, into *T, parse func(string) (T, error)) {
	s, ok := scalarText(p.node)
	if !ok {
		d.fault(p, "expected %s, found %s", notation[T](), kindOf(p.node))
		return
	}
	v, err := parse(s)
	if err != nil {
		d.fault(p, "expected %s; %v", notation[T](), err)
		return
	}
	*into = v
}

// notation says what a value of type T looks like.
func notation[T any]() string {
	switch any(*new(T)).(type) {
	case time.Duration:
		return "a duration such as 10s, 5m or 1h30m"
	case Size:
		return "a size such as 64KiB, 8MiB or 1GiB"
	case PublicKey:
		return "ed25519: and the 32 bytes of a public key as base64"
	case Digest:
		return "the key's SHA-256, 64 hexadecimal digits"
	default:
		return "a day such as 2027-06-30, or a time such as 2027-06-30T12:00:00Z"
	}
}

// scalarText is a scalar as it was written: a digest of digits alone is a number to YAML.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func parseDuration(s string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, errors.New("add the unit")
	}
	v, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, errors.New("the units are ms, s, m and h")
	case v <= 0:
		return 0, errors.New("it must be more than zero")
	}
	return v, nil
}

func parseSize(s string) (Size, error) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(digits, " "), 10, 63)
		if err != nil {
			break
		}
		if n == 0 || Size(n) > 1<<62/u.size {
			return 0, errors.New("it must be more than zero and no more than there is")
		}
		return Size(n) * u.size, nil
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, errors.New("add the unit")
	}
	return 0, errors.New("a whole number and one of B, KiB, MiB, GiB")
}

func parseDigest(s string) (Digest, error) {
	var d Digest
	if strings.HasPrefix(s, "slk_") {
		return d, errors.New("this is the key itself: keep it secret, and write the other half that `sluice key new` prints")
	}
	if len(s) != hex.EncodedLen(len(d)) {
		return d, fmt.Errorf("these are %d characters; `sluice key new` prints it", len(s))
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return d, errors.New("it holds other characters; `sluice key new` prints it")
	}
	if d == sha256.Sum256(nil) {
		return d, errors.New("this is the digest of an empty key; `sluice key new` makes a real one")
	}
	return d, nil
}

func parsePublicKey(s string) (k PublicKey, err error) {
	text, ok := strings.CutPrefix(s, publicKeyPrefix)
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	switch {
	case strings.Contains(s, "PRIVATE"):
		return k, errors.New("this is the private half: keep it secret, and write the line that `sluice filter sign` prints")
	case !ok:
		return k, errors.New("`sluice filter sign` prints it")
	case err != nil || len(b) != len(k):
		return k, errors.New("it was cut off or changed; `sluice filter sign` prints it")
	}
	return PublicKey(b), nil
}

// parseExpiry reads a time, or a day, which is good until its end (UTC).
func parseExpiry(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t.AddDate(0, 0, 1), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, errors.New("write the year first")
	}
	return t, nil
}
