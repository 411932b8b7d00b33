//go:build !unix

package artifact

// syncDir does nothing: where folders cannot be opened, the system keeps renames itself.
func syncDir(string) error { return nil }
