package artifact

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// ABI is the version of the ABI that manifests are written for (filters/abi).
const ABI = 1

// Manifest says what a filter is: X.filter.json beside X.wasm.
type Manifest struct {
	Name      string     // the filter's, as configurations name it
	Version   string     // Semantic Versioning 2.0.0, without build metadata
	ABI       int        // 1
	Grants    []string   // the facts it wants, sorted
	Module    string     // SHA-256 of the module, hex
	Vectors   string     // SHA-256 of the vectors, hex; "" without
	Signature *Signature // nil: not signed
}

// Signature is one over Manifest.Statement (Ed25519, RFC 8032).
type Signature struct {
	Key     string // KeyID of the key that made it
	Ed25519 []byte // 64 bytes
}

// The forms of what a manifest holds. None has room for a newline, which ends a line of the statement.
var (
	nameForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	grantForm = regexp.MustCompile(`^[a-z][a-z0-9._]{0,63}$`)
	sumForm   = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	keyForm   = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

// maxGrants is more than there are facts.
const maxGrants = 32

// ParseManifest reads a manifest. It is strict: an unknown, repeated or missing key and a value of another form are
// errors that name the key. Like strictjson, which it reads with, it refuses JSON that two parsers could read in two
// ways.
func ParseManifest(b []byte) (*Manifest, error) {
	d, err := strictjson.Parse(b, strictjson.Limits{MaxBytes: MaxManifest, MaxDepth: 4})
	if err != nil {
		return nil, err
	}
	d.Release()
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, errors.New("expected a JSON object")
	}
	m := &Manifest{}
	for _, member := range []struct {
		key      string
		read     func(json.RawMessage) error
		optional bool
	}{
		{"name", text(&m.Name, nameForm, "1 to 64 of a-z, 0-9, _ and -, a letter or digit first"), false},
		{"version", m.readVersion, false},
		{"abi", m.readABI, false},
		{"grants", m.readGrants, true},
		{"module", sum(&m.Module), false},
		{"vectors", sum(&m.Vectors), true},
		{"signature", m.readSignature, true},
	} {
		if err := take(members, member.key, member.read, member.optional); err != nil {
			return nil, err
		}
	}
	if len(members) > 0 {
		key := slices.Min(slices.Collect(maps.Keys(members)))
		return nil, fmt.Errorf("%.64q: unknown key; there are name, version, abi, grants, module, vectors, signature", key)
	}
	return m, nil
}

// take reads one member and removes it.
func take(members map[string]json.RawMessage, key string, read func(json.RawMessage) error, optional bool) error {
	raw, ok := members[key]
	switch {
	case ok:
	case optional:
		return nil
	default:
		return fmt.Errorf("%s: missing; it is required", key)
	}
	delete(members, key)
	if err := read(raw); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// text reads a string of a form, which the error describes.
func text(to *string, form *regexp.Regexp, want string) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, to) != nil || !form.MatchString(*to) {
			return fmt.Errorf("expected %s", want)
		}
		return nil
	}
}

// sum reads a digest as sha256:hex into its hex digits.
func sum(to *string) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		err := text(to, sumForm, "sha256: and 64 hexadecimal digits")(raw)
		*to = strings.TrimPrefix(*to, "sha256:")
		return err
	}
}

func (m *Manifest) readVersion(raw json.RawMessage) error {
	if json.Unmarshal(raw, &m.Version) != nil || !ValidVersion(m.Version) {
		return errors.New("expected a version such as 1.2.0 or 1.2.0-rc.1 (https://semver.org, without build metadata)")
	}
	return nil
}

func (m *Manifest) readABI(raw json.RawMessage) error {
	if json.Unmarshal(raw, &m.ABI) != nil || m.ABI != ABI {
		return fmt.Errorf("expected %d, the version of the ABI that this program knows", ABI)
	}
	return nil
}

func (m *Manifest) readGrants(raw json.RawMessage) error {
	if json.Unmarshal(raw, &m.Grants) != nil || m.Grants == nil || len(m.Grants) > maxGrants ||
		slices.ContainsFunc(m.Grants, func(g string) bool { return !grantForm.MatchString(g) }) {
		return errors.New("expected a list of the names of facts, such as principal.tenant")
	}
	slices.Sort(m.Grants)
	if len(slices.Compact(slices.Clone(m.Grants))) != len(m.Grants) {
		return errors.New("a fact comes twice")
	}
	return nil
}

func (m *Manifest) readSignature(raw json.RawMessage) error {
	members, s := map[string]json.RawMessage{}, &Signature{}
	if json.Unmarshal(raw, &members) != nil || len(members) != 2 {
		return errors.New("expected an object with key and ed25519")
	}
	if err := take(members, "key", text(&s.Key, keyForm, "16 hexadecimal digits"), false); err != nil {
		return err
	}
	m.Signature = s
	return take(members, "ed25519", s.read, false)
}

// read reads 64 bytes as base64 (RFC 4648, section 4).
func (s *Signature) read(raw json.RawMessage) error {
	var text string
	err := json.Unmarshal(raw, &text)
	if err == nil {
		s.Ed25519, err = base64.StdEncoding.Strict().DecodeString(text)
	}
	if err != nil || len(s.Ed25519) != 64 || strings.ContainsAny(text, "\r\n") {
		return errors.New("expected 64 bytes as base64")
	}
	return nil
}

// JSON is the manifest as its file holds it.
func (m *Manifest) JSON() []byte {
	type signature struct {
		Key     string `json:"key"`
		Ed25519 []byte `json:"ed25519"`
	}
	out := struct {
		Name      string     `json:"name"`
		Version   string     `json:"version"`
		ABI       int        `json:"abi"`
		Grants    []string   `json:"grants"`
		Module    string     `json:"module"`
		Vectors   string     `json:"vectors,omitempty"`
		Signature *signature `json:"signature,omitempty"`
	}{Name: m.Name, Version: m.Version, ABI: m.ABI, Grants: append([]string{}, m.Grants...), Module: "sha256:" + m.Module}
	if m.Vectors != "" {
		out.Vectors = "sha256:" + m.Vectors
	}
	if m.Signature != nil {
		out.Signature = &signature{m.Signature.Key, m.Signature.Ed25519}
	}
	b, _ := json.MarshalIndent(out, "", "  ") // strings, numbers and bytes: it cannot fail
	return append(b, '\n')
}

// Statement is what a signature is over: one fact a line, in a fixed order, so that there is one way to write it.
func (m *Manifest) Statement() []byte {
	vectors := "none"
	if m.Vectors != "" {
		vectors = "sha256:" + m.Vectors
	}
	grants := slices.Sorted(slices.Values(m.Grants))
	return fmt.Appendf(nil, "sluice filter v1\nname: %s\nversion: %s\nabi: %d\ngrants: %s\nmodule: sha256:%s\nvectors: %s\n",
		m.Name, m.Version, m.ABI, strings.Join(grants, ","), m.Module, vectors)
}
