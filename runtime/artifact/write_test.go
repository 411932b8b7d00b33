package artifact

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	mine, _, _, _ := keys(t)
	a := &Artifact{Source: "x", Module: []byte("code"), Vectors: []byte("[]")}
	if err := a.Sign(Manifest{Name: "x", Version: "1.0.0"}, mine); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "x", a.ID())
	for range 2 { // a second time it is there
		if err := a.Write(dir, "x"); err != nil {
			t.Fatal(err)
		}
	}
	back, err := Read(filepath.Join(dir, "x.wasm"))
	if err != nil || back.ID() != a.ID() || back.Version() != "1.0.0" {
		t.Errorf("read back %+v, %v", back, err)
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
		t.Errorf("beside it there are %v", left)
	}
	bare := &Artifact{Module: []byte("code")}
	if bare.ID() == a.ID() {
		t.Error("the ids do not tell the manifest and the vectors")
	}
	if err := bare.Write(filepath.Join(filepath.Dir(dir), "bare"), "x"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bare.Write(filepath.Join(file, "x", "y"), "x"); err == nil {
		t.Error("wrote below a file")
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	for _, text := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != text {
			t.Errorf("read %q", got)
		}
	}
	if err := WriteFile(filepath.Join(path, "x"), nil); err == nil || strings.Contains(err.Error(), "remove") {
		t.Errorf("below a file: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("there are %v", left)
	}
}
