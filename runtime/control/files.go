package control

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/config"
)

// sum is the digest of a file's contents; zero where there is no such file.
type sum [sha256.Size]byte

// fileSet is the files a generation is made of, as they were at one moment.
type fileSet struct {
	roots []string // files, and folders with what a policy is made of
	stamp sum      // of names, sizes and times
	files map[string]sum
}

// same tells whether the same files have the same contents.
func (s fileSet) same(o fileSet) bool { return maps.Equal(s.files, o.files) }

// filesOf lists what a generation is made of: the config, and every file and folder that it names.
func filesOf(name string, cfg *config.Config) []string {
	files := []string{name}
	add := func(path string) {
		if path != "" {
			files = append(files, filepath.Clean(cfg.Path(path)))
		}
	}
	addRef := func(r *config.Ref) {
		if r != nil {
			add(r.File)
		}
	}
	addPolicy := func(path string) {
		if !strings.HasPrefix(path, builtinPrefix) {
			add(path)
		}
	}
	addPolicy(cfg.Policy.Path)
	if cfg.Policy.Shadow != nil {
		addPolicy(cfg.Policy.Shadow.Path)
	}
	for _, name := range cfg.OPA.Files() {
		add(name)
	}
	add(cfg.Policy.Recorded)
	addModule := func(module string) {
		if module == "" || strings.HasPrefix(module, builtinPrefix) || strings.HasPrefix(module, imagePrefix) {
			return
		}
		for _, file := range artifact.Files(module) { // the vectors and the manifest may come later
			add(file)
		}
	}
	for _, f := range cfg.Filters {
		addModule(f.Module)
		if f.Canary != nil {
			addModule(f.Canary.Module)
		}
		addRef(f.HMACKey)
	}
	if cfg.Deploy != nil {
		add(cfg.Deploy.Path)
		for _, r := range cfg.Deploy.Registries {
			addRef(r.Password)
		}
	}
	for _, m := range cfg.Models {
		for _, e := range m.Endpoints {
			add(e.CAFile) // the credential's file is looked at by who uses it: a rotated token is no new configuration
			if e.Credential != nil && e.Credential.OAuth2 != nil {
				add(e.Credential.OAuth2.CAFile)
			}
		}
	}
	for _, j := range cfg.Auth.JWT {
		add(j.CAFile)
		if !strings.Contains(j.JWKS, "://") {
			add(j.JWKS)
		}
	}
	if cfg.Auth.MTLS != nil {
		add(cfg.Auth.MTLS.CAFile)
	}
	for i := range cfg.StateKey {
		addRef(&cfg.StateKey[i])
	}
	if cfg.Admin != nil && cfg.Admin.Token != nil {
		addRef(&cfg.Admin.Token.Ref)
	}
	return files
}

// look takes the digests of all files under the roots now. The stamp is cheap and says only whether another look is due;
// the digests are what counts, because Kubernetes swaps a symlink and editors rewrite a file as it was.
func look(roots []string) fileSet {
	s := fileSet{roots: roots, stamp: stampOf(roots), files: map[string]sum{}}
	walk(roots, func(path string, info fs.FileInfo) {
		if info == nil || !info.Mode().IsRegular() { // a pipe gives its contents once, to whom they are for
			s.files[path] = sum{}
			return
		}
		s.files[path] = contents(path)
	})
	return s
}

// contents digests a file. One that cannot be read counts as missing.
func contents(path string) (out sum) {
	f, err := os.Open(path)
	if err != nil {
		return sum{}
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum{}
	}
	h.Sum(out[:0])
	return out
}

func stampOf(roots []string) (stamp sum) {
	h := sha256.New()
	walk(roots, func(path string, info fs.FileInfo) {
		_, _ = io.WriteString(h, path) // a hash never fails
		var b [17]byte                 // the first byte ends the path
		if info != nil {
			binary.BigEndian.PutUint64(b[1:], uint64(info.Size()))
			binary.BigEndian.PutUint64(b[9:], uint64(info.ModTime().UnixNano()))
		}
		h.Write(b[:])
	})
	h.Sum(stamp[:0])
	return stamp
}

// walk visits each root that is a file, and each file below a root that is a folder, symlinks followed, in a fixed
// order. A root that is not there is visited with nil.
func walk(roots []string, visit func(path string, info fs.FileInfo)) {
	for _, root := range roots {
		info, err := os.Stat(root)
		switch {
		case err != nil:
			visit(root, nil)
		case !info.IsDir():
			visit(root, info)
		default:
			walkDir(root, visit, 0)
		}
	}
}

// maxDepth bounds folders within folders, so that a link to a parent ends somewhere.
const maxDepth = 16

// walkDir visits what is read of a folder with policies or filters, and nothing that others may write there.
func walkDir(dir string, visit func(string, fs.FileInfo), depth int) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil || depth > maxDepth {
		return
	}
	for _, e := range entries {
		name := e.Name()
		if name[0] == '.' && !slices.Contains(dotted, name) { // ..data and its kin are reached through the links beside them
			continue
		}
		path := filepath.Join(dir, name)
		switch info, err := os.Stat(path); {
		case err != nil:
			visit(path, nil)
		case info.IsDir():
			walkDir(path, visit, depth+1)
		case ours(name):
			visit(path, info)
		}
	}
}

// dotted are the files that count although they are hidden: a bundle's manifest and its signatures.
var dotted = []string{".manifest", ".signatures.json"}

// ours tells whether a file in a policy's folder, or in the deploy folder, may be part of it.
func ours(name string) bool {
	return slices.Contains(dotted, name) || slices.Contains([]string{".rego", ".json", ".yaml", ".yml", artifact.ModuleSuffix}, filepath.Ext(name))
}

// dirs are the folders whose events may mean a change.
func (s fileSet) dirs() map[string]bool {
	out := map[string]bool{}
	for _, root := range s.roots {
		out[filepath.Dir(root)] = true
		if info, err := os.Stat(root); err == nil && info.IsDir() {
			out[root] = true
		}
	}
	for path := range s.files {
		out[filepath.Dir(path)] = true
	}
	return out
}
