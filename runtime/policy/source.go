package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of what is read as a policy.
const (
	maxFile   = 16 << 20 // bytes
	maxSource = 64 << 20 // bytes, all files together
	maxFiles  = 10_000
	maxFolder = 16 // levels
)

// Source is the text of a policy: its Rego modules, tests among them, and its data.
type Source struct {
	name       string  // shown before the paths of its files
	files      []file  // by path; of a joined one, by part first
	signatures []byte  // .signatures.json; nil: there is none
	parts      []*part // the bundles that it was joined of, by name; nil: none
}

type file struct {
	path string // slash-separated, within the source or its part
	body []byte
	part *part // nil: the source is no joined one
}

// ReadDir reads the policy in a directory.
//
// It takes *.rego as modules and *.json, *.yaml and *.yml as data: a file's document stands where its folder says, so
// tenants/data.json is data.tenants. Names that begin with a dot are passed over, but .manifest may give a revision;
// so is the folder schemas. Symbolic links are followed.
func ReadDir(dir string) (Source, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return Source{}, fmt.Errorf("reading the policy: %w", err)
	}
	if !info.IsDir() {
		return Source{}, fmt.Errorf("reading the policy: %s is not a directory; give the folder that holds the .rego files", dir)
	}
	return ReadFS(os.DirFS(dir), filepath.ToSlash(filepath.Clean(dir)))
}

// ReadFS reads the policy in a file system, such as the one embedded in the binary. The name is shown before the paths
// of its files.
func ReadFS(fsys fs.FS, name string) (Source, error) {
	r := reader{fsys: fsys}
	if err := r.folder(".", 0); err != nil {
		return Source{}, fmt.Errorf("reading the policy %s: %w", name, err)
	}
	if len(r.files) == 0 {
		return Source{}, fmt.Errorf("reading the policy %s: no .rego file in it", name)
	}
	return r.source(name), nil
}

// FromFiles makes a Source of files by path, as they were in a bundle, to be joined. What is neither module nor data is
// left out.
func FromFiles(name string, files map[string][]byte) (Source, error) {
	var r reader
	for path, body := range files {
		if path == signaturesFile {
			r.signatures = body
			continue
		}
		if !wanted(path) {
			continue
		}
		if err := r.count(path, int64(len(body))); err != nil {
			return Source{}, fmt.Errorf("reading the policy %s: %w", name, err)
		}
		r.files = append(r.files, file{path: path, body: body})
	}
	return r.source(name), nil
}

func (r *reader) source(name string) Source {
	slices.SortFunc(r.files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return Source{name: name, files: r.files, signatures: r.signatures}
}

// reader collects files within the bounds.
type reader struct {
	fsys       fs.FS
	files      []file
	signatures []byte
	size       int64
}

func (r *reader) folder(dir string, depth int) error {
	if depth > maxFolder {
		return fmt.Errorf("%s: folders are nested over %d deep; is a link circular?", dir, maxFolder)
	}
	entries, err := fs.ReadDir(r.fsys, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if name == signaturesFile {
			if r.signatures, err = fs.ReadFile(r.fsys, name); err != nil {
				return err
			}
			continue
		}
		if strings.HasPrefix(e.Name(), ".") && e.Name() != manifestFile || name == "schemas" {
			continue
		}
		info, err := fs.Stat(r.fsys, name) // follows links, which Kubernetes makes of mounted files
		if err != nil {
			return err
		}
		if info.IsDir() {
			err = r.folder(name, depth+1)
		} else if wanted(name) {
			err = r.file(name, info.Size())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func wanted(name string) bool {
	return isModule(name) || isData(name) || name == manifestFile
}

func isModule(name string) bool { return path.Ext(name) == ".rego" }
func isTest(name string) bool   { return strings.HasSuffix(name, "_test.rego") }
func isData(name string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, path.Ext(name))
}

// count takes a file into account.
func (r *reader) count(name string, size int64) error {
	if r.size += size; size > maxFile || r.size > maxSource || len(r.files) >= maxFiles {
		return fmt.Errorf("%s: too large: at most %d MiB a file, %d MiB and %d files in all", name, maxFile>>20, maxSource>>20, maxFiles)
	}
	return nil
}

func (r *reader) file(name string, size int64) error {
	if err := r.count(name, size); err != nil {
		return err
	}
	body, err := fs.ReadFile(r.fsys, name)
	if err != nil {
		return err
	}
	r.files = append(r.files, file{path: name, body: body})
	return nil
}

// Revision names the text: the manifest's revision, else the first 12 hex digits of a SHA-256 over paths and contents. Of
// several bundles it names each, as in "gateway=r1 tenants=r7".
func (s Source) Revision() string {
	if len(s.parts) > 0 {
		return revisionOf(s.parts)
	}
	if revision := s.manifest().Revision; revision != "" {
		return revision
	}
	return s.Digest()[:12]
}

// manifest is what a bundle says of itself (openpolicyagent.org, "Bundle File Format").
type manifest struct {
	Revision string
	Roots    *[]string
}

// manifest is empty where there is none, or none that can be read.
func (s Source) manifest() (m manifest) {
	for _, f := range s.files {
		if f.path == manifestFile && json.Unmarshal(f.body, &m) != nil {
			return manifest{}
		}
	}
	return m
}

const manifestFile = ".manifest"

// Digest is the hex SHA-256 over the paths and contents of all files, wherever they were read from.
func (s Source) Digest() string {
	sum := sha256.New()
	for _, f := range s.files {
		// Lengths first, so that no two sets of files run together to the same bytes.
		fmt.Fprintf(sum, "%d %s %d ", len(f.path), f.path, len(f.body))
		sum.Write(f.body)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// shown is a file's path as faults name it.
func (s Source) shown(name string) string { return path.Join(s.name, name) }

// show is shown for one of its files.
func (s Source) show(f file) string {
	if f.part != nil {
		return path.Join(f.part.source, f.path)
	}
	return s.shown(f.path)
}

var errNoSource = errors.New("the source is empty: make one with ReadDir or ReadFS")
