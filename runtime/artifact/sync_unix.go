//go:build unix

package artifact

import (
	"errors"
	"os"
)

// syncDir makes what was renamed in a folder last over a crash.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
