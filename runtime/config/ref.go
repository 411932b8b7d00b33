package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Ref says where a secret is: {env: NAME}, {file: path}, or {file: path, json: field}. Configs hold no secrets.
type Ref struct {
	// Env is the name of an environment variable.
	Env string `yaml:"env"`
	// File is the path of a file that holds the secret; a newline at its end is not part of it.
	File string `yaml:"file"`
	// JSON names the field of the file's JSON object that holds the secret; a dot steps into an object.
	JSON string `yaml:"json"`
}

// Token is a Ref, or the word ephemeral: a token made at random at each start.
type Token struct {
	Ref
	Ephemeral bool
}

// Refs are one secret or several: a Ref, or a list of at most 8, of which the first is in use and the others are those of
// before, still accepted. None is named twice.
type Refs []Ref

// maxRefs bounds a list of secrets: a rotation takes two, and some work is done for each.
const maxRefs = 8

// maxSecretBytes bounds a secret's file.
const maxSecretBytes = 64 << 10

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// placeholders are words that stand in examples where a secret belongs.
var placeholders = []string{"changeme", "change-me", "change_me", "secret", "password", "token", "todo", "xxx", "your-token", "your-api-key", "your_api_key", "replace-me"}

func (t *Token) decode(d *decoder, p *place) {
	if s, ok := p.node.(*ast.StringNode); ok && s.Value == "ephemeral" {
		t.Ephemeral = true
		return
	}
	t.Ref.decode(d, p)
}

func (r *Refs) decode(d *decoder, p *place) {
	seq, list := p.node.(*ast.SequenceNode)
	if !list {
		*r = make(Refs, 1)
		(*r)[0].decode(d, p)
		return
	}
	if n := len(seq.Values); n > maxRefs {
		d.fault(p, "a list of %d secrets, of at most %d; take the oldest out", n, maxRefs)
		return
	}
	d.list(p, reflect.ValueOf((*[]Ref)(r)).Elem(), rule{required: true})
	for i, ref := range *r {
		if first := slices.Index((*r)[:i], ref); first >= 0 && ref != (Ref{}) {
			d.fault(&place{parent: p, index: i, pos: start(d.file, seq.Values[i])}, "the same as %s; remove one", indexed(p.path(), first))
		}
	}
}

// Path is the path of secret i within the field of that path.
func (r Refs) Path(field string, i int) string {
	if len(r) == 1 {
		return field
	}
	return indexed(field, i)
}

func (r *Ref) decode(d *decoder, p *place) {
	if text, ok := p.node.(*ast.StringNode); ok && looksLikeURL(text.Value) {
		d.fault(p, "looks like a URL, not a reference to a secret; are url and credential swapped?")
		return
	}
	if _, ok := pairs(p.node); !ok {
		d.fault(p, "expected a reference, found %s; write {env: NAME}, {file: path} or {file: path, json: field}, and no secret into a config", kindOf(p.node))
		return
	}
	before := len(d.faults)
	d.structure(p, reflect.ValueOf(r).Elem())
	switch {
	case len(d.faults) > before:
	case (r.Env == "") == (r.File == ""):
		d.fault(p, "expected one of env and file; keep one")
	case r.JSON != "" && r.File == "":
		d.fault(p, "json names a field of a file; write file too")
	case r.Env != "" && !envName.MatchString(r.Env):
		d.fault(p, "env is not the name of a variable; write the name, not the secret")
	}
}

// String says where the secret is, never what it is.
func (r Ref) String() string {
	switch {
	case r.Env != "":
		return "environment variable " + r.Env
	case r.JSON != "":
		return "field " + r.JSON + " of file " + r.File
	default:
		return "file " + r.File
	}
}

// Resolve reads the secret; files are relative to baseDir. Errors say where the secret was looked for and what to do,
// never what was found. Empty secrets, placeholders and URLs are refused.
func (r Ref) Resolve(baseDir string) (string, error) {
	s, err := r.read(baseDir)
	if err != nil {
		return "", err
	}
	switch {
	case s == "":
		return "", fmt.Errorf("%s is empty; put the secret there", r)
	case looksLikeURL(s):
		return "", fmt.Errorf("%s looks like a URL, not a secret; are the two swapped?", r.short())
	case isPlaceholder(s):
		return "", fmt.Errorf("%s holds a placeholder; put the real secret there", r)
	case strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return "", fmt.Errorf("%s holds a space, a newline or a control character; a secret has none", r)
	}
	return s, nil
}

// short names the place alone: MODEL_A_TOKEN.
func (r Ref) short() string {
	if r.Env != "" {
		return r.Env
	}
	return r.String()
}

// read gets the text the reference names.
func (r Ref) read(baseDir string) (string, error) {
	if r.Env != "" {
		s, ok := os.LookupEnv(r.Env)
		if !ok {
			return "", fmt.Errorf("%s is not set; set it", r)
		}
		return s, nil
	}
	path := r.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(baseDir, path)
	}
	text, err := readLimited(path, maxSecretBytes)
	if err != nil {
		return "", fmt.Errorf("file %s %w", r.File, err)
	}
	if r.JSON != "" {
		return r.field(text)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// field gets the field of a JSON object.
func (r Ref) field(text []byte) (string, error) {
	var v any
	// The decoder's own error would quote the text.
	if json.Unmarshal(text, &v) != nil {
		return "", fmt.Errorf("file %s is not JSON; leave json out if it holds the secret alone", r.File)
	}
	for name := range strings.SplitSeq(r.JSON, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("file %s has no text in its field %s; check the field's name", r.File, r.JSON)
	}
	return s, nil
}

// baseForm is a URL without its scheme: a host's name with a dot or a port, and a path.
var baseForm = regexp.MustCompile(`^(?:[a-z0-9-]+\.)*[a-z0-9-]+(?:\.[a-z]{2,}|:[0-9]{1,5})(?::[0-9]{1,5})?/[a-z0-9._/-]*$`)

// looksLikeURL tells a URL, or the rest of one without its scheme: models.example.com/v1.
func looksLikeURL(s string) bool {
	low := strings.ToLower(s)
	return strings.HasPrefix(low, "http://") || strings.HasPrefix(low, "https://") || baseForm.MatchString(low)
}

// plainForm is what random keys look like: many letters and digits, of which there are some.
var plainForm = regexp.MustCompile(`^[A-Za-z0-9_=+-]{20,}$`)

// looksLikeSecret tells the usual shapes of credentials where a URL belongs: those of hasSecretPrefix, or a long run of
// letters and digits.
func looksLikeSecret(s string) bool {
	return hasSecretPrefix(s) || plainForm.MatchString(s) && strings.ContainsAny(s, "0123456789")
}

// hasSecretPrefix tells a vendor's prefix, or a JWT.
func hasSecretPrefix(s string) bool {
	for _, prefix := range []string{"sk-", "slk_", "eyJ", "nvapi-", "hf_", "Bearer ", "AIza", "AKIA", "ghp_"} {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

func isPlaceholder(s string) bool {
	low := strings.ToLower(s)
	for _, p := range placeholders {
		if low == p {
			return true
		}
	}
	return strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">")
}

// errCause is what went wrong with a file, without the path that the message around it names already.
func errCause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
