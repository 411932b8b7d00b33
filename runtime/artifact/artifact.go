// Package artifact is a filter as it is shipped: the module's bytes, its self-test vectors, and the manifest that names
// and signs both. It stands before the filter engine: what it returns has been read once, is within its size, and, after
// Verify, is what somebody whom the configuration trusts has signed.
//
//	X.wasm, X.vectors.json, X.filter.json ─┐
//	oci://host/repository:tag ─────────────┴─► Artifact ─► Verify ─► the engine
//
// It compiles and runs nothing, and keeps nothing but what it returns.
package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The most bytes that each part may have.
const (
	MaxModule   = 16 << 20
	MaxVectors  = 8 << 20
	MaxManifest = 64 << 10
)

// The ends of the names of a filter's files, which stand side by side.
const (
	ModuleSuffix   = ".wasm"
	VectorsSuffix  = ".vectors.json"
	ManifestSuffix = ".filter.json"
)

// ErrTooLarge is what is wrong with a part that has more bytes than it may.
var ErrTooLarge = errors.New("too large")

// Artifact is one filter as it was read. Its bytes must not be changed.
type Artifact struct {
	Source   string    // where it is from: a path, or an OCI reference with the digest that a tag stood for
	Module   []byte    // the WebAssembly module
	Vectors  []byte    // its self-test vectors; nil without
	Manifest *Manifest // nil without
}

// Digest is the SHA-256 of the module, in hex.
func (a *Artifact) Digest() string { return hexSum(a.Module) }

// VectorsDigest is the SHA-256 of the vectors, in hex; "" without.
func (a *Artifact) VectorsDigest() string {
	if a.Vectors == nil {
		return ""
	}
	return hexSum(a.Vectors)
}

// ID names the artifact by all its parts: 32 hexadecimal digits.
func (a *Artifact) ID() string {
	h := sha256.New()
	for _, part := range [][]byte{a.Module, a.Vectors, a.manifest()} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// manifest is the manifest's JSON, nil without one.
func (a *Artifact) manifest() []byte {
	if a.Manifest == nil {
		return nil
	}
	return a.Manifest.JSON()
}

// Version is the manifest's, "" without one.
func (a *Artifact) Version() string {
	if a.Manifest == nil {
		return ""
	}
	return a.Manifest.Version
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Stem is a module's path without .wasm: what the names of all its files begin with.
func Stem(path string) string { return strings.TrimSuffix(path, ModuleSuffix) }

// Files are the paths of the files of a filter by the path of its module: module, vectors, manifest.
func Files(path string) [3]string {
	return [3]string{path, Stem(path) + VectorsSuffix, Stem(path) + ManifestSuffix}
}

// Name is what a module's file calls the filter: its name without the folder and .wasm.
func Name(path string) string { return filepath.Base(Stem(path)) }

// Read reads a filter's files: the module at path, and beside it the vectors and the manifest if they are there.
func Read(path string) (*Artifact, error) {
	files := Files(path)
	module, err := readFile(files[0], MaxModule)
	if err != nil {
		return nil, err
	}
	vectors, err := readFile(files[1], MaxVectors)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	manifest, err := readFile(files[2], MaxManifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return New(path, module, vectors, manifest)
}

// New makes an artifact of its parts, which it keeps; vectors and manifest are nil where there are none. Their sizes are
// checked and the manifest is parsed.
func New(source string, module, vectors, manifest []byte) (*Artifact, error) {
	for _, part := range []struct {
		what  string
		bytes []byte
		most  int
	}{{"the module", module, MaxModule}, {"the vectors", vectors, MaxVectors}, {"the manifest", manifest, MaxManifest}} {
		if len(part.bytes) > part.most {
			return nil, fmt.Errorf("%s: %w: %s has %d bytes, at most %d are taken", source, ErrTooLarge, part.what, len(part.bytes), part.most)
		}
	}
	a := &Artifact{Source: source, Module: module, Vectors: vectors}
	if manifest == nil {
		return a, nil
	}
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, fmt.Errorf("%s: the manifest: %w", source, err)
	}
	a.Manifest = m
	return a, nil
}

// readFile reads a regular file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path) // opening a pipe waits for somebody to write
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := readAll(f, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// readAll reads at most limit bytes; more are ErrTooLarge. The result is not nil.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: at most %d bytes are taken", ErrTooLarge, limit)
	}
	return b, nil
}
