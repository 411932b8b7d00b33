package artifact

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// keyPrefix begins a public key written as text.
const keyPrefix = "ed25519:"

// maxKeyFile bounds a key's file.
const maxKeyFile = 16 << 10

// ErrUnsigned is what is wrong with a filter that has no signature where one is required.
var ErrUnsigned = errors.New("it is not signed")

// KeyID names a public key: the first 16 hexadecimal digits of its SHA-256.
func KeyID(key ed25519.PublicKey) string { return hexSum(key)[:16] }

// KeyText is a public key as configurations list it: ed25519: and its 32 bytes as base64.
func KeyText(key ed25519.PublicKey) string { return keyPrefix + base64.StdEncoding.EncodeToString(key) }

// ParseKey reads what KeyText writes.
func ParseKey(s string) (ed25519.PublicKey, error) {
	text, ok := strings.CutPrefix(s, keyPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(key) != ed25519.PublicKeySize || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("expected ed25519: and the 32 bytes of a public key as base64, as `sluice filter sign` prints it")
	}
	return key, nil
}

// NewKey makes a key at random and its PEM text (PKCS #8, as `openssl genpkey -algorithm ed25519` writes it).
func NewKey() (ed25519.PrivateKey, []byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ReadKey reads a private key's file: PEM, PKCS #8, Ed25519.
func ReadKey(path string) (ed25519.PrivateKey, error) {
	block, err := readPEM(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s holds no Ed25519 private key; make one: openssl genpkey -algorithm ed25519", path)
	}
	return key, nil
}

// ReadPublicKey reads a public key's file: PEM (SubjectPublicKeyInfo, as `openssl pkey -pubout` writes it), or the one
// line of KeyText.
func ReadPublicKey(path string) (ed25519.PublicKey, error) {
	b, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	if text := strings.TrimSpace(string(b)); strings.HasPrefix(text, keyPrefix) {
		return ParseKey(text)
	}
	block, err := readPEM(path, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(block)
	key, ok := parsed.(ed25519.PublicKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s holds no Ed25519 public key", path)
	}
	return key, nil
}

func readPEM(path, kind string) ([]byte, error) {
	b, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s is no PEM file with a %s", path, kind)
	}
	return block.Bytes, nil
}

// WriteKey writes a private key's PEM text to a new file of mode 0600.
func WriteKey(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// Sign gives the artifact a manifest with a signature. Name, version and grants are taken from m, all else is worked out.
func (a *Artifact) Sign(m Manifest, key ed25519.PrivateKey) error {
	m.ABI, m.Module, m.Vectors = ABI, a.Digest(), a.VectorsDigest()
	m.Grants = slices.Sorted(slices.Values(m.Grants))
	public, _ := key.Public().(ed25519.PublicKey)
	m.Signature = &Signature{Key: KeyID(public), Ed25519: ed25519.Sign(key, m.Statement())}
	signed, err := ParseManifest(m.JSON()) // what cannot be read back is not signed
	if err != nil {
		return err
	}
	a.Manifest = signed
	return nil
}

// Trust says whose signatures count.
type Trust struct {
	Keys     []ed25519.PublicKey
	Required bool // an artifact without a signature of one of the keys is refused
}

// Verify holds the bytes against the manifest and the signature against the keys. Where none is required, an artifact
// may be unsigned, but a signature that is there must be good, and by one of the keys if there are any. It returns the
// key whose signature was found good, nil where there was none to check.
func (a *Artifact) Verify(t Trust) (ed25519.PublicKey, error) {
	m := a.Manifest
	switch {
	case m == nil && t.Required:
		return nil, fmt.Errorf("%w: it has no manifest (X%s beside X%s); sign it: sluice filter sign --key KEY.pem X%s", ErrUnsigned, ManifestSuffix, ModuleSuffix, ModuleSuffix)
	case m == nil:
		return nil, nil
	case m.Module != a.Digest():
		return nil, fmt.Errorf("the manifest is of another module: it says sha256:%.12s, this one is sha256:%.12s; sign the module again, or take the files that belong together", m.Module, a.Digest())
	case m.Vectors != a.VectorsDigest():
		return nil, fmt.Errorf("the manifest is of other vectors: it says %s, here %s; sign again, or take the files that belong together", sumOrNone(m.Vectors), sumOrNone(a.VectorsDigest()))
	case m.Signature == nil && t.Required:
		return nil, fmt.Errorf("%w: its manifest has no signature; sign it: sluice filter sign --key KEY.pem", ErrUnsigned)
	case m.Signature == nil, len(t.Keys) == 0 && !t.Required:
		return nil, nil
	}
	i := slices.IndexFunc(t.Keys, func(k ed25519.PublicKey) bool { return KeyID(k) == m.Signature.Key })
	if i < 0 {
		return nil, fmt.Errorf("it is signed with the key %s, which is not trusted; trusted are: %s", m.Signature.Key, keyIDs(t.Keys))
	}
	if !ed25519.Verify(t.Keys[i], m.Statement(), m.Signature.Ed25519) {
		return nil, fmt.Errorf("the signature with the key %s is bad: the manifest was changed after it was signed; sign it again", m.Signature.Key)
	}
	return t.Keys[i], nil
}

func sumOrNone(sum string) string {
	if sum == "" {
		return "there are none"
	}
	return fmt.Sprintf("sha256:%.12s", sum)
}

func keyIDs(keys []ed25519.PublicKey) string {
	if len(keys) == 0 {
		return "none"
	}
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = KeyID(k)
	}
	return strings.Join(ids, ", ")
}
