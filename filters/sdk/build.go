package sdk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Built is what Build made.
type Built struct {
	Name     string // the filter's
	Language string // one of Languages
	Module   string // path of the .wasm file
	Size     int64  // bytes of it
	Tool     string // the compiler that was used
}

// Build compiles the filter in a folder into NAME.wasm there. The language is that of the sources in the folder itself; NAME
// is the stem of the one X.vectors.json there, else the folder's own name. Where the compiler is missing, the error says
// which and how to get it on Debian; where it fails, the error holds what it printed.
func Build(ctx context.Context, dir string) (Built, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Built{}, err
	}
	l, sources, err := languageOf(dir)
	if err != nil {
		return Built{}, err
	}
	name, err := nameOf(dir)
	if err != nil {
		return Built{}, err
	}
	j := &job{ctx: ctx, dir: dir, name: name, sources: sources}
	if err := l.compile(j); err != nil {
		return Built{}, fmt.Errorf("build %s (%s): %w", dir, l.name, err)
	}
	b := Built{Name: name, Language: l.name, Module: filepath.Join(dir, name+".wasm"), Tool: filepath.Base(j.tool)}
	info, err := os.Stat(b.Module)
	if err != nil {
		return Built{}, err
	}
	b.Size = info.Size()
	return b, nil
}

// languageOf tells a folder's language by the sources in it, which it returns by name.
func languageOf(dir string) (*language, []string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	var found *language
	var sources []string
	for i := range languages {
		var own []string
		for _, e := range entries {
			if e.Type().IsRegular() && filepath.Ext(e.Name()) == languages[i].ext {
				own = append(own, e.Name())
			}
		}
		if len(own) == 0 {
			continue
		}
		if found != nil {
			return nil, nil, fmt.Errorf("%s has %s and %s: a filter's folder holds sources of one language", dir, sources[0], own[0])
		}
		found, sources = &languages[i], own
	}
	if found == nil {
		return nil, nil, fmt.Errorf("%s has no source of a filter: neither .go, .rs, .ts nor .c; a new one is made by: sluice filter new NAME", dir)
	}
	return found, sources, nil
}

// nameOf gives the name of the filter in a folder.
func nameOf(dir string) (string, error) {
	const suffix = ".vectors.json"
	found, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return "", err
	}
	name := filepath.Base(dir)
	if len(found) == 1 {
		name = strings.TrimSuffix(filepath.Base(found[0]), suffix)
	}
	if err := CheckName(name); err != nil {
		return "", fmt.Errorf("%s: %w; the name is that of the one X.vectors.json, else the folder's", dir, err)
	}
	return name, nil
}

// job is one build.
type job struct {
	ctx     context.Context
	dir     string
	name    string
	sources []string // in dir
	tool    string   // the compiler, once it is chosen
}

// run runs the compiler in the folder.
func (j *job) run(env []string, args ...string) error {
	cmd := exec.CommandContext(j.ctx, j.tool, args...) //nolint:gosec // compilers by fixed names
	cmd.Dir, cmd.Env = j.dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(j.tool), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// ask gives what a tool prints, "" where it fails.
func (j *job) ask(tool string, args ...string) string {
	cmd := exec.CommandContext(j.ctx, tool, args...) //nolint:gosec // likewise
	cmd.Dir = j.dir
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// oldestLLVM and newestLLVM are the versions that clang and wasm-ld are looked for under, beside their plain names.
const oldestLLVM, newestLLVM = 14, 24

// versions finds a tool of LLVM by its plain name and by those with a version, newest first.
func versions(tool string) (paths []string) {
	names := []string{tool}
	for v := newestLLVM; v >= oldestLLVM; v-- {
		names = append(names, tool+"-"+strconv.Itoa(v))
	}
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// compileGo uses the stock toolchain. Its own flags are cleared: -race and the like do not build for wasip1.
func compileGo(j *job) error {
	const get = "install Go 1.24 or later: apt-get update && apt-get install -y golang-go (Debian 13), or see go.dev/dl"
	var err error
	if j.tool, err = exec.LookPath("go"); err != nil {
		return errors.New("go is missing: " + get)
	}
	version := j.ask(j.tool, "env", "GOVERSION")
	var minor int
	if _, err := fmt.Sscanf(version, "go1.%d", &minor); err == nil && minor < 24 {
		return fmt.Errorf("%s is too old for modules that export functions: %s", version, get)
	}
	return j.run([]string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off"},
		"build", "-buildmode=c-shared", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", j.name+".wasm", ".")
}

// compileRust uses rustc alone, the first one that has the target.
func compileRust(j *job) error {
	const target, get = "wasm32-unknown-unknown", "apt-get update && apt-get install -y rustc libstd-rust-dev-wasm32 lld (with rustup: rustup target add wasm32-unknown-unknown)"
	found := []string{"/usr/bin/rustc"} // Debian's, where another stands before it
	if p, err := exec.LookPath("rustc"); err == nil {
		found = slices.Insert(found, 0, p)
	}
	for _, rustc := range found {
		core, _ := filepath.Glob(filepath.Join(j.ask(rustc, "--print", "target-libdir", "--target", target), "libcore-*.rlib"))
		if len(core) > 0 {
			j.tool = rustc
			break
		}
	}
	if j.tool == "" {
		return fmt.Errorf("no rustc with the target %s: %s", target, get)
	}
	root := j.name + ".rs"
	if len(j.sources) == 1 {
		root = j.sources[0]
	}
	args := []string{
		"--edition", "2021", "--crate-type", "cdylib", "--crate-name", "filter", "--target", target,
		"-C", "opt-level=3", "-C", "lto", "-C", "panic=abort", "-C", "strip=symbols",
		"-C", "link-arg=-zstack-size=32768", "-C", "link-arg=--stack-first", "-o", j.name + ".wasm", root,
	}
	if own, _ := filepath.Glob(filepath.Join(j.ask(j.tool, "--print", "sysroot"), "lib/rustlib/*/bin/rust-lld")); len(own) == 0 {
		linkers := versions("wasm-ld")
		if len(linkers) == 0 {
			return errors.New("rustc needs the linker wasm-ld, which is missing: " + get)
		}
		args = append(args, "-C", "linker="+linkers[0], "-C", "linker-flavor=wasm-ld")
	}
	return j.run(nil, args...)
}

// compileAssemblyScript uses the asc of the folder or of one above it, as Node.js would, else the one in PATH.
func compileAssemblyScript(j *job) error {
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("node is missing: apt-get update && apt-get install -y nodejs npm (version 18 or later), then in the filter's folder: npm install")
	}
	for dir := j.dir; j.tool == ""; dir = filepath.Dir(dir) {
		asc := filepath.Join(dir, "node_modules", ".bin", "asc")
		if _, err := os.Stat(asc); err == nil {
			j.tool = asc
		} else if dir == filepath.Dir(dir) {
			break
		}
	}
	if j.tool == "" {
		var err error
		if j.tool, err = exec.LookPath("asc"); err != nil {
			return fmt.Errorf("asc, the compiler, is missing: in the filter's folder: npm install (it installs assemblyscript %s, which package.json names)", AssemblyScript)
		}
	}
	entry := j.name + ".ts"
	if len(j.sources) == 1 {
		entry = j.sources[0]
	}
	return j.run(nil, entry, "-O3", "--runtime", "minimal", "--use", "abort=", "--outFile", j.name+".wasm")
}

// compileC uses clang, freestanding. Bulk memory operations are off as the gateway has to split them.
func compileC(j *job) error {
	const get = "apt-get update && apt-get install -y clang lld"
	for _, clang := range versions("clang") {
		linker := j.ask(clang, "--print-prog-name=wasm-ld")
		if strings.Contains(j.ask(clang, "--print-targets"), "wasm32") && filepath.IsAbs(linker) {
			j.tool = clang
			break
		}
	}
	if j.tool == "" {
		return errors.New("no clang that builds for wasm32 and has its linker wasm-ld: " + get)
	}
	kit, _ := filepath.Glob(filepath.Join(j.dir, "sluice", "*.c"))
	args := []string{
		"--target=wasm32", "-std=c11", "-O2", "-ffreestanding", "-fno-builtin", "-nostdlib", "-mno-bulk-memory",
		"-Wall", "-Wextra", "-Wno-unused-function", "-Isluice", "-o", j.name + ".wasm",
		"-Wl,--no-entry,--strip-all,--gc-sections,--stack-first,-z,stack-size=16384",
	}
	return j.run(nil, append(append(args, j.sources...), kit...)...)
}
