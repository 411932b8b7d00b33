package artifact

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write makes the folder dir with the artifact's files in it: name.wasm, and the others beside it where there are some.
// The folder is there whole or not at all, also after a crash: it is written under another name beside, synced, and
// renamed. One that is there already is left as it is.
func (a *Artifact) Write(dir, name string) (err error) {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temp))
		}
	}()
	files := Files(filepath.Join(temp, name+ModuleSuffix))
	for i, part := range [][]byte{a.Module, a.Vectors, a.manifest()} {
		if part == nil {
			continue
		}
		if err := writeSynced(files[i], part); err != nil {
			return err
		}
	}
	if err := syncDir(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		return err
	}
	return syncDir(parent)
}

// WriteFile puts a file in the place of another, whole or not at all.
func WriteFile(path string, b []byte) error {
	temp := fmt.Sprintf("%s.%d.new", path, os.Getpid())
	err := writeSynced(temp, b)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // it may not be there
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeSynced writes a file that is on the disk when it returns.
func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
