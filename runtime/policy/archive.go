package policy

import (
	"archive/zip"
	"bytes"
	"fmt"
)

// MaxArchive bounds an archive of a source, in bytes.
const MaxArchive = maxSource

// Archive is the source as a zip file, to be kept or sent.
func (s Source) Archive() ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range s.files {
		to, err := w.Create(f.path)
		if err == nil {
			_, err = to.Write(f.body)
		}
		if err != nil {
			return nil, fmt.Errorf("writing the policy as an archive: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("writing the policy as an archive: %w", err)
	}
	return b.Bytes(), nil
}

// ReadArchive reads what Archive wrote, within the bounds of ReadFS. The name is shown before the paths of its files.
func ReadArchive(b []byte, name string) (Source, error) {
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return Source{}, fmt.Errorf("reading the policy %s: no zip file: %w", name, err)
	}
	return ReadFS(r, name)
}
