package sdk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/filters/abi"
)

// file is one file of a new filter's folder.
type file struct {
	path string // with slashes
	text string
}

// New writes the folder of a new filter and returns the paths of its files in the folder, sorted. Where one of them is there
// already, nothing is written and the error names it.
func New(dir, name, lang string) ([]string, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	l, err := find(lang)
	if err != nil {
		return nil, err
	}
	files := l.scaffold(name)
	for _, f := range files {
		to := filepath.Join(dir, filepath.FromSlash(f.path))
		if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fmt.Errorf("%s is there already, and is not overwritten: name another folder", to)
			}
			return nil, err
		}
	}
	var out []string
	for _, f := range files {
		to := filepath.Join(dir, filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // sources, no secret
			return nil, err
		}
		if err := os.WriteFile(to, []byte(f.text), 0o644); err != nil { //nolint:gosec // likewise
			return nil, err
		}
		out = append(out, f.path)
	}
	slices.Sort(out)
	return out, nil
}

// scaffold is all files of a new filter.
func (l *language) scaffold(name string) []file {
	own := strings.NewReplacer("NAME", name)
	source := strings.NewReplacer(l.pairs...).Replace(read(path.Join(l.name, "example", l.example)))
	out := []file{
		{name + l.ext, own.Replace(source)},
		{name + ".vectors.json", read("ticket.vectors.json")},
		{"README.md", strings.NewReplacer("NAME", name, "EXT", l.ext, "LANG", l.name).Replace(readme)},
		{"sluice/ABI.md", abi.Contract},
	}
	for i := 0; i < len(l.extra); i += 2 {
		out = append(out, file{l.extra[i], own.Replace(l.extra[i+1])})
	}
	kit, err := files.ReadDir(l.name)
	if err != nil {
		panic(err) // it is inside the binary
	}
	for _, f := range kit {
		if f.IsDir() || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		text := read(path.Join(l.name, f.Name()))
		if f.Name() == "README.md" {
			text = strings.ReplaceAll(text, "../../abi/README.md", "ABI.md")
		}
		out = append(out, file{"sluice/" + f.Name(), text})
	}
	return out
}

// read gives a file that is inside the binary.
func read(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

const readme = "# NAME\n\n" + `A filter for Sluice in LANG. It begins as the kit's example: it finds ticket numbers such as TCK-12345.

- ` + "`NAMEEXT`" + ` is the filter; change it. ` + "`sluice/`" + ` is the kit (see its README.md) and the contract, ABI.md.
- ` + "`NAME.vectors.json`" + ` says what it must do: text in, text out with each finding as ` + "`<kind:text>`" + `, labels, verdict. The
  gateway runs it before the filter goes live, each text also cut in two at every position.

` + "```sh\nsluice filter build .                # makes NAME.wasm, or says what compiler is missing and how to get it\nsluice filter test NAME.wasm         # runs the vectors\necho 'see TCK-1' | sluice filter run NAME.wasm\nsluice filter sign --key KEY.pem --version 0.1.0 NAME.wasm    # where signatures are required; --new-key makes a key\nsluice filter deploy NAME.wasm       # to a running gateway\n```" + `

Or name it in sluice.yaml:

` + "```yaml\nfilters:\n  - name: NAME\n    module: NAME.wasm\n    on: [request, response]\n    config:\n      prefix: TCK                # what the filter reads; the rest is what happens to what it finds\n      request: {ticket: token}\n      response: {ticket: mask}\n```\n"
