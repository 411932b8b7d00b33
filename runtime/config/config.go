// Package config reads sluice.yaml into plain structs, strictly: every unknown key, wrong type, wrong unit, duplicate
// and contradiction is reported, all at once, each with its line, column and what to do.
//
// Parse is a pure function of the text: it reads no other file, no environment and no clock. What needs those are
// separate steps for whoever builds from the config: Config.Addresses (where to listen), Ref.Resolve (secrets), and the
// opening of the files it names; they report what they find with Config.Fault, at the position of the field.
//
// The format is YAML 1.2 without anchors, aliases, merge keys and tags: a config reads as it stands. A JSON Schema for
// editors is made from the same types (Schema).
package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/goccy/go-yaml/ast"
)

// MaxBytes is the largest config file that is read.
const MaxBytes = 64 << 20

// source is the text a Config was read from, kept to tell positions later.
type source struct {
	name string
	text []byte
	once sync.Once
	root ast.Node
}

// Load reads the file at path. Errors are Faults.
func Load(path string) (*Config, error) {
	text, err := readLimited(path, MaxBytes)
	if err != nil {
		return nil, Faults{{Position: Position{File: path}, Message: err.Error()}}
	}
	return Parse(path, text)
}

// Parse reads a config's text; name is the file's path, for positions and for the folder that paths are relative to.
// It keeps text. Errors are Faults, sorted by position.
func Parse(name string, text []byte) (*Config, error) {
	root, fault := parseYAML(name, text)
	if fault != nil {
		return nil, Faults{fault}
	}
	c := &Config{src: &source{name: name, text: text}}
	d := &decoder{file: name, root: root}
	d.config(c)
	check(c, d)
	if err := d.faults.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Name is the path of the config file.
func (c *Config) Name() string { return c.src.name }

// Dir is the folder that relative paths start from: the config file's.
func (c *Config) Dir() string { return filepath.Dir(c.src.name) }

// Path makes a path as written in the config one that can be opened.
func (c *Config) Path(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Dir(), path)
}

// At is the position of a field by its path, such as models[0].endpoints[1].url. A field that is not in the text gets
// the position of what it would stand in.
func (c *Config) At(path string) Position {
	// Positions are asked for when something is wrong, so they are found anew instead of kept for every field.
	c.src.once.Do(func() { c.src.root, _ = parseYAML(c.src.name, c.src.text) })
	return locate(c.src.name, c.src.root, path)
}

// Fault makes a fault of the field at path. The message says what was expected and what to do; it must not hold a
// secret.
func (c *Config) Fault(path, format string, args ...any) *Fault {
	return &Fault{Position: c.At(path), Path: path, Message: fmt.Sprintf(format, args...)}
}

// readLimited reads a file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be opened: %w; check the path", errCause(err))
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", errCause(err))
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("larger than %d bytes; is it the right file?", limit)
	}
	return text, nil
}
