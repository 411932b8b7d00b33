package control

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/config"
)

// fileSet is the files a generation is made of, as they were at one moment.
type fileSet struct {
	roots  []string // files, and folders with all that is in them
	stamp  [sha256.Size]byte
	digest [sha256.Size]byte
}

// filesOf lists what a generation is made of: the config, and every file and folder that it names.
func filesOf(name string, cfg *config.Config) []string {
	files := []string{name}
	add := func(path string) {
		if path != "" {
			files = append(files, cfg.Path(path))
		}
	}
	addRef := func(r *config.Ref) {
		if r != nil {
			add(r.File)
		}
	}
	if cfg.Policy.Path != builtinPolicy {
		add(cfg.Policy.Path)
	}
	for _, f := range cfg.Filters {
		if !strings.HasPrefix(f.Module, "builtin:") {
			add(f.Module)
		}
		addRef(f.HMACKey)
	}
	for _, m := range cfg.Models {
		for _, e := range m.Endpoints {
			add(e.CAFile)
			addRef(e.Credential)
		}
	}
	for _, j := range cfg.Auth.JWT {
		add(j.CAFile)
		if !strings.Contains(j.JWKS, "://") {
			add(j.JWKS)
		}
	}
	return files
}

// look takes stamp and digest of all files under the roots now. The stamp (names, sizes, times) is cheap and says only
// whether another look at the contents is due; the digest is what counts, because Kubernetes swaps a symlink and editors
// rewrite a file as it was.
func look(roots []string) fileSet {
	s := fileSet{roots: roots, stamp: stampOf(roots)}
	h := sha256.New()
	walk(roots, func(path string, _ fs.FileInfo) {
		writeText(h, path)
		f, err := os.Open(path)
		if err != nil {
			writeText(h, "missing")
			return
		}
		defer func() { _ = f.Close() }()
		body := sha256.New()
		_, _ = io.Copy(body, f) // a file that cannot be read to its end differs from what it was, which is enough
		h.Write(body.Sum(nil))
	})
	h.Sum(s.digest[:0])
	return s
}

func stampOf(roots []string) (stamp [sha256.Size]byte) {
	h := sha256.New()
	walk(roots, func(path string, info fs.FileInfo) {
		writeText(h, path)
		if info == nil {
			return
		}
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], uint64(info.Size()))
		binary.BigEndian.PutUint64(b[8:], uint64(info.ModTime().UnixNano()))
		h.Write(b[:])
	})
	h.Sum(stamp[:0])
	return stamp
}

func writeText(w io.Writer, s string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(s)))
	_, _ = w.Write(n[:])        // a hash never fails
	_, _ = io.WriteString(w, s) // nor here
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

func walkDir(dir string, visit func(string, fs.FileInfo), depth int) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil || depth > maxDepth {
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		switch {
		case err != nil:
			visit(path, nil)
		case info.IsDir():
			if e.Name()[0] != '.' { // ..data and its kin are reached through the links beside them
				walkDir(path, visit, depth+1)
			}
		case info.Mode().IsRegular():
			visit(path, info)
		}
	}
}

// settle is how long the files must stay as they are before they are taken.
const settle = 100 * time.Millisecond

// dirs are the folders whose events may mean a change.
func (s fileSet) dirs() []string {
	var out []string
	add := func(d string) {
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	for _, root := range s.roots {
		add(filepath.Dir(root))
		if info, err := os.Stat(root); err == nil && info.IsDir() {
			add(root)
		}
	}
	walk(s.roots, func(path string, _ fs.FileInfo) { add(filepath.Dir(path)) })
	return out
}
