//go:build unix

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluicegate/sluice/filters"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sluice": main, "ask": ask, "guest": makeGuest})
}

// TestScript runs the scripts in testdata/script: what a user types, and what comes back.
//
// Beside testscript's own commands they have
//
//	serve ARGS...        starts `sluice serve ARGS...`, its output into the files out and log, and waits until it greets;
//	                     sets URL to where it listens, ADMIN to its admin listener, and KEY to its first ephemeral key
//	signal NAME          sends it INT, TERM or HUP
//	ended CODE           waits for its end; CODE is its exit code, or the signal that ended it
//	await FILE REGEXP    waits until a file has what the regular expression matches
//	model                starts a model server whose streams say one word and wait; sets MODEL to its base URL
//	asked                waits until the model server has said the word of one more stream
//	release              lets its streams finish
//	taken                listens on a free port; sets TAKEN to the address
//	capture NAME REGEXP  sets NAME to what the regular expression's group matches in the last command's output
//	expand FILE...       puts the environment's values for $NAME in files
//	exec ask ...         is one HTTP request: see ask
//	[race]               is the condition that the race detector is on
//	exec guest FILE TAG  writes a filter; others have other bytes
func TestScript(t *testing.T) {
	cache := t.TempDir() // so that each filter is compiled once
	goCache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CACHE_HOME", cache)
			e.Setenv("HOME", filepath.Join(cache, "home"))
			e.Setenv("EXAMPLES", examples)
			e.Setenv("GORACE", "atexit_sleep_ms=20")
			e.Setenv("GOCACHE", strings.TrimSpace(string(goCache)))
			e.Values[scene{}] = &scene{}
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "race" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return raceDetector, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": sceneCommand((*scene).serve), "signal": sceneCommand((*scene).signal), "ended": sceneCommand((*scene).ended),
			"await": sceneCommand((*scene).await), "model": sceneCommand((*scene).model), "asked": sceneCommand((*scene).asked),
			"release": sceneCommand((*scene).release), "taken": sceneCommand((*scene).taken),
			"capture": sceneCommand((*scene).capture), "expand": sceneCommand((*scene).expand),
		},
	})
}

// makeGuest is a command that writes a filter whose bytes differ by a tag: guest FILE TAG. It is the shipped redactor with
// a custom section more.
func makeGuest() {
	module, ok := filters.Builtin("redact")
	tag := "\x03tag" + os.Args[2]
	module = append(slices.Clone(module), append([]byte{0, byte(len(tag))}, tag...)...)
	if err := os.WriteFile(os.Args[1], module, 0o600); err != nil || !ok {
		fmt.Fprintln(os.Stderr, "guest:", ok, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// ask is a command that sends one request and prints status, headers and body: ask URL [BODY [HEADER...]].
func ask() {
	if err := send(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func send(url string, rest []string) error {
	method, body := http.MethodGet, ""
	if len(rest) > 0 {
		method, body = http.MethodPost, rest[0]
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	for _, h := range rest[min(1, len(rest)):] {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var head strings.Builder
	if err := resp.Header.Write(&head); err != nil {
		return err
	}
	fmt.Printf("%s\n%s\n", resp.Status, strings.ReplaceAll(head.String(), "\r", ""))
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}

// scene is what a script has running.
type scene struct {
	sluice *exec.Cmd
	done   chan struct{} // closed when it has ended
	err    error         // how
	said   chan struct{} // one for each stream that said its word
	going  chan struct{} // closed by release
}

func sceneCommand(f func(s *scene, ts *testscript.TestScript, args []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("! is not for this command")
		}
		f(ts.Value(scene{}).(*scene), ts, args)
	}
}

// patience is how long anything may take that a script waits for.
const patience = 10 * time.Second

func (s *scene) serve(ts *testscript.TestScript, args []string) {
	out, err := os.Create(ts.MkAbs("out"))
	ts.Check(err)
	log, err := os.Create(ts.MkAbs("log"))
	ts.Check(err)
	cmd := exec.Command("sluice", append([]string{"serve"}, args...)...)
	cmd.Path = filepath.Join(strings.Split(ts.Getenv("PATH"), ":")[0], "sluice")
	cmd.Err = nil
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), out, log
	for _, name := range []string{"PATH", "HOME", "XDG_CACHE_HOME", "MODEL_TOKEN", "GOCOVERDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(cmd.Start())
	done := make(chan struct{})
	s.sluice, s.done = cmd, done
	go func() { s.err = cmd.Wait(); close(done) }()
	ts.Defer(func() { _ = cmd.Process.Kill(); <-done; _ = out.Close(); _ = log.Close() })
	s.await(ts, []string{"out", `(?s)\ntry:.*/inference\n`})
	greeting := ts.ReadFile("out")
	for name, pattern := range map[string]string{
		"URL": `listening on (\S+)`, "ADMIN": `admin on (http://\S+[0-9])`, "KEY": `x-api-key: (slk_\w+)`, "TOKEN": `token until this process ends: (\S+)`,
	} {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(greeting); m != nil {
			ts.Setenv(name, m[1])
		}
	}
}

func (s *scene) signal(ts *testscript.TestScript, args []string) {
	sig, ok := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[0]]
	if !ok {
		ts.Fatalf("signal %s?", args[0])
	}
	ts.Check(s.sluice.Process.Signal(sig))
}

func (s *scene) ended(ts *testscript.TestScript, args []string) {
	select {
	case <-s.done:
	case <-time.After(patience):
		ts.Fatalf("sluice has not ended:\n%s%s", ts.ReadFile("out"), ts.ReadFile("log"))
	}
	how := "0"
	if exit := (*exec.ExitError)(nil); errors.As(s.err, &exit) {
		how = fmt.Sprint(exit.ExitCode())
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			how = status.Signal().String()
		}
	} else {
		ts.Check(s.err)
	}
	if how != args[0] {
		ts.Fatalf("sluice ended with %s, want %s:\n%s%s", how, args[0], ts.ReadFile("out"), ts.ReadFile("log"))
	}
}

func (s *scene) await(ts *testscript.TestScript, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[1])
	found := func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && pattern.Match(text)
	}
	for end := time.Now().Add(patience); !found(); time.Sleep(2 * time.Millisecond) {
		over := time.Now().After(end)
		select {
		case <-s.done:
			over = !found() // nothing more will come
		default:
		}
		if over {
			ts.Fatalf("no %q in %s:\n%s%s", args[1], args[0], ts.ReadFile("out"), ts.ReadFile("log"))
		}
	}
}

func (s *scene) model(ts *testscript.TestScript, _ []string) {
	said, going := make(chan struct{}, 16), make(chan struct{})
	s.said, s.going = said, going
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		chunk := func(delta, finish string) {
			_, _ = fmt.Fprintf(w, `data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`+"\n\n", delta, finish)
			w.(http.Flusher).Flush()
		}
		chunk(`{"role":"assistant","content":"first. "}`, "null")
		said <- struct{}{}
		select {
		case <-going:
			chunk(`{"content":"last."}`, "null")
			chunk(`{}`, `"stop"`)
			_, _ = io.WriteString(w, "data: [DONE]\n\n")
		case <-r.Context().Done():
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv("MODEL", server.URL+"/v1")
}

func (s *scene) asked(ts *testscript.TestScript, _ []string) {
	select {
	case <-s.said:
	case <-time.After(patience):
		ts.Fatalf("the model server was not asked:\n%s", ts.ReadFile("log"))
	}
}

func (s *scene) release(*testscript.TestScript, []string) { close(s.going) }

func (s *scene) taken(ts *testscript.TestScript, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv("TAKEN", l.Addr().String())
}

func (s *scene) capture(ts *testscript.TestScript, args []string) {
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("no %q in the output", args[1])
	}
	ts.Setenv(args[0], m[1])
}

func (s *scene) expand(ts *testscript.TestScript, args []string) {
	for _, name := range args {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(os.Expand(ts.ReadFile(name), ts.Getenv)), 0o600))
	}
}

// The digest that is printed is the key's SHA-256, and no two keys are alike.
func TestKeyNew(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		var out strings.Builder
		if code := run([]string{"key", "new", "--id", "app-1", "--tenant", "team-1"}, &out, io.Discard); code != 0 {
			t.Fatal(code)
		}
		m := regexp.MustCompile(`^.*\n  (slk_[a-z2-7]{52})\n(?s:.*)\{id: "app-1", tenant: "team-1", roles: \[developer\], sha256: ([0-9a-f]{64})\}\n$`).FindStringSubmatch(out.String())
		if m == nil {
			t.Fatal(out.String())
		}
		if sum := sha256.Sum256([]byte(m[1])); hex.EncodeToString(sum[:]) != m[2] || seen[m[1]] {
			t.Errorf("%s\nseen %v", out.String(), seen[m[1]])
		}
		seen[m[1]] = true
	}
}

// Every command and subcommand says in one line what it does, and takes no argument it would ignore.
func TestCommands(t *testing.T) {
	var names []string
	for _, c := range command().Commands() {
		names = append(names, c.Name())
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: %q", c.Name(), c.Short)
		}
		var errs strings.Builder
		if code := run([]string{c.Name(), "surplus"}, io.Discard, &errs); code != 1 || errs.Len() == 0 {
			t.Errorf("%s surplus: exit code %d, %q", c.Name(), code, errs.String())
		}
	}
	if want := []string{"check", "explain", "filter", "init", "key", "policy", "replay", "serve", "version"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}
