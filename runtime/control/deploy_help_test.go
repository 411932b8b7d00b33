package control_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
)

func key(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

// signed signs an artifact as its manifest is.
func signed(t *testing.T, a *artifact.Artifact, by ed25519.PrivateKey) *artifact.Artifact {
	t.Helper()
	if err := a.Sign(*a.Manifest, by); err != nil {
		t.Fatal(err)
	}
	return a
}

func sum(text string) string {
	d := sha256.Sum256([]byte(text))
	return hex.EncodeToString(d[:])
}

// tree is every file in the deploy folder with its contents.
func tree(t *testing.T, g *gateway.Gateway) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(filepath.Join(g.Dir, "filters.d"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			fmt.Fprintln(&out, path)
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintln(&out, path, sum(string(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
