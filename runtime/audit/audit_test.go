package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// path is a file's in a folder of the test's own.
func path(t *testing.T) string { return filepath.Join(t.TempDir(), "audit.jsonl") }

func start(t *testing.T, o Options) *Log {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// end closes the log, which must lose nothing.
func end(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// commit records an exchange, which must be taken.
func commit(t *testing.T, l *Log, id string) {
	t.Helper()
	s, ok := l.Reserve()
	if !ok {
		t.Fatalf("%s is refused", id)
	}
	s.Commit(&Record{ID: id, Kind: "exchange"})
}

// lines reads a log, each line of which must be a JSON object.
func lines(t *testing.T, path string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for line := range bytes.Lines(text) {
		var rec map[string]any
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, rec)
	}
	return out
}

// ids are the records' ids, joined.
func ids(recs []map[string]any) string {
	var out []string
	for _, r := range recs {
		id, _ := r["id"].(string)
		out = append(out, id)
	}
	return strings.Join(out, " ")
}

func TestNoRecordIsLostOnClose(t *testing.T) {
	p := path(t)
	l := start(t, Options{Path: p, Queue: 10_000})
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 1000 {
				commit(t, l, "x")
			}
		})
	}
	writers.Wait()
	end(t, l)
	if n := len(lines(t, p)); n != 8000 || l.Stats() != (Stats{Written: 8000, Free: 10_000}) {
		t.Errorf("%d lines of 8000, stats %+v", n, l.Stats())
	}
	if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A record is in the file soon after, without Close.
func TestRecordsAreWrittenWithinFlushEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := path(t)
		l := start(t, Options{Path: p})
		commit(t, l, "one")
		time.Sleep(FlushEvery + time.Millisecond)
		synctest.Wait()
		if got := ids(lines(t, p)); got != "one" {
			t.Errorf("after FlushEvery the file has %q", got)
		}
		end(t, l)
	})
}

func TestQueueFull(t *testing.T) {
	p := path(t)
	f := func(drop bool) (second bool, st Stats) {
		t.Helper()
		l := start(t, Options{Path: p, Queue: 1, Drop: drop})
		defer end(t, l)
		held, ok := l.Reserve()
		if !ok {
			t.Fatal("the first place is refused")
		}
		s, second := l.Reserve()
		if second {
			s.Commit(&Record{Kind: "exchange"})
		}
		st = l.Stats()
		held.Release()
		if s, ok := l.Reserve(); !ok {
			t.Error("a released place is not free")
		} else {
			s.Release()
		}
		return second, st
	}
	if ok, st := f(false); ok || st.Dropped != 0 || st.Free != 0 {
		t.Errorf("refuse: taken %v, %+v", ok, st)
	}
	if ok, st := f(true); !ok || st.Dropped != 1 || st.Free != 0 {
		t.Errorf("drop: taken %v, %+v", ok, st)
	}
	if n := len(lines(t, p)); n != 0 {
		t.Errorf("%d lines for records that were dropped", n)
	}
}

// A call of the control listener is recorded even when no place is left.
func TestControlIsNotShutOut(t *testing.T) {
	p := path(t)
	l := start(t, Options{Path: p, Queue: 1})
	held, _ := l.Reserve()
	l.Control(&Record{Kind: "control", ID: "repair"})
	held.Release()
	end(t, l)
	if got := ids(lines(t, p)); got != "repair" || l.Stats().Free != 1 {
		t.Errorf("the log has %q, %+v", got, l.Stats())
	}
}

// full makes path a link to a disk that is always full.
func full(t *testing.T, path string) {
	t.Helper()
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Skip("no /dev/full here")
	}
}

// While the file cannot be written exchanges are refused, nothing is lost, and it goes on by itself afterwards.
func TestWriteErrorRefusesAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := path(t)
		full(t, p)
		var log bytes.Buffer
		l := start(t, Options{Path: p, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		commit(t, l, "kept")
		time.Sleep(5 * retryEvery)
		synctest.Wait()
		if _, ok := l.Reserve(); ok || !l.Stats().Broken {
			t.Errorf("exchanges go on although the log is broken: %+v", l.Stats())
		}
		if n := strings.Count(log.String(), "cannot be written"); n != 1 {
			t.Errorf("%d log lines about one outage:\n%s", n, log.String())
		}
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * retryEvery)
		synctest.Wait()
		commit(t, l, "next")
		end(t, l)
		if got := ids(lines(t, p)); got != "kept next" || l.Stats().Broken {
			t.Errorf("the log has %q, %+v", got, l.Stats())
		}
	})
}

func TestWriteErrorWithDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := path(t)
		full(t, p)
		l := start(t, Options{Path: p, Drop: true})
		commit(t, l, "first")
		time.Sleep(retryEvery)
		synctest.Wait()
		commit(t, l, "dropped")
		if st := l.Stats(); st.Dropped != 1 || !st.Broken {
			t.Errorf("%+v", st)
		}
		if err := l.Close(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "1 lines of the audit log") {
			t.Errorf("Close says %v", err)
		}
		if st := l.Stats(); st.Dropped != 2 || st.Written != 0 {
			t.Errorf("after Close: %+v", st)
		}
	})
}

// Records of unknown callers wait within a bound, however long the disk is full.
func TestStraysAreBoundedWhileBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := path(t)
		full(t, p)
		l := start(t, Options{Path: p})
		for range 10_000 {
			l.Stray(stray(wire.Unauthenticated))
			time.Sleep(20 * time.Millisecond) // 50 a second
		}
		l.mu.Lock()
		if l.waiting.lines > straysWaiting+1 {
			t.Errorf("%d lines wait", l.waiting.lines)
		}
		l.mu.Unlock()
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
		end(t, l)
		if single, sums := counts(lines(t, p)); single+sums != 10_000 {
			t.Errorf("%d records and sums of %d, want 10000 together", single, sums)
		}
	})
}

func stray(code wire.Code) *Record {
	return &Record{Kind: "exchange", End: time.Now(), Outcome: exchange.Outcome{Kind: exchange.Rejected, Code: code, Status: code.Status()}}
}

// counts gives how many records stand for themselves, and how many the sums stand for.
func counts(recs []map[string]any) (single, sums int) {
	for _, r := range recs {
		if r["kind"] == "sum" {
			n, _ := r["count"].(float64)
			sums += int(n)
			continue
		}
		single++
	}
	return single, sums
}

func TestStraysAreSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := path(t)
		l := start(t, Options{Path: p, Queue: 1})
		for range 300 {
			l.Stray(stray(wire.Unauthenticated))
		}
		l.Stray(stray(wire.Overloaded))
		if _, ok := l.Reserve(); !ok {
			t.Error("strays take the places of known callers")
		}
		time.Sleep(2 * time.Second) // nobody calls any more: the sums must come all the same
		synctest.Wait()
		got := lines(t, p)
		if single, sums := counts(got); single != straysPerSecond || sums != 301-straysPerSecond {
			t.Errorf("%d records and sums of %d", single, sums)
		}
		if last := got[len(got)-1]; last["code"] != "unauthenticated" || last["count"] != 250.0 || last["start"] == nil {
			t.Errorf("the sum is %v", last)
		}
		l.Stray(stray(wire.Unauthenticated)) // a new second, a new bound
		end(t, l)
		if n := len(lines(t, p)); n != len(got)+1 {
			t.Errorf("%d lines, want one more than %d", n, len(got))
		}
	})
}

// Sums that are due in the second of Close are written too.
func TestSumsAreWrittenOnClose(t *testing.T) {
	p := path(t)
	l := start(t, Options{Path: p})
	for range 500 {
		l.Stray(stray(wire.Unauthenticated))
	}
	end(t, l)
	if single, sums := counts(lines(t, p)); single+sums != 500 || sums == 0 {
		t.Errorf("%d records and sums of %d", single, sums)
	}
}

func TestReopen(t *testing.T) {
	p := path(t)
	l := start(t, Options{Path: p})
	commit(t, l, "old")
	for l.Stats().Written < 1 {
		time.Sleep(time.Millisecond)
	}
	if err := os.Rename(p, p+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	commit(t, l, "new")
	end(t, l)
	if a, b := ids(lines(t, p+".1")), ids(lines(t, p)); a != "old" || b != "new" {
		t.Errorf("rotated %q, new %q", a, b)
	}
	if err := l.Reopen(); !errors.Is(err, ErrClosed) {
		t.Errorf("reopening a closed log: %v", err)
	}
}

// A path that cannot be opened anew leaves the old file.
func TestReopenFails(t *testing.T) {
	p := filepath.Join(t.TempDir(), "logs", "audit.jsonl")
	if err := os.Mkdir(filepath.Dir(p), 0o700); err != nil {
		t.Fatal(err)
	}
	l := start(t, Options{Path: p})
	moved := filepath.Dir(p) + ".old"
	if err := os.Rename(filepath.Dir(p), moved); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Reopen says %v", err)
	}
	commit(t, l, "kept")
	end(t, l)
	if got := ids(lines(t, filepath.Join(moved, "audit.jsonl"))); got != "kept" {
		t.Errorf("the old file has %q", got)
	}
}

// A line that a crash cut short does not swallow the next record.
func TestCutLine(t *testing.T) {
	p := path(t)
	if err := os.WriteFile(p, []byte("{\"id\":\"whole\"}\n{\"id\":\"cu"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := start(t, Options{Path: p})
	commit(t, l, "next")
	end(t, l)
	text, err := os.ReadFile(p)
	if want := "{\"id\":\"whole\"}\n{\"id\":\"cu\n{\"kind\":\"exchange\",\"id\":\"next\"}\n"; err != nil || string(text) != want {
		t.Errorf("%q, %v", text, err)
	}
}

// A line whose beginning went into a file that was then replaced is whole in the new one.
func TestCutWriteBeginsAgainInANewFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) *os.File {
		f, err := open("audit log", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	a, b := file("a"), file("b")
	defer func() { _ = a.Close() }()
	o := output{file: b}
	w := writing{text: []byte("{\"id\":\"1\"}\n{\"id\":\"2\"}\n"), done: 15, file: a}
	if err := o.write(&w); err != nil {
		t.Fatal(err)
	}
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
	if got := ids(lines(t, filepath.Join(dir, "b"))); got != "2" {
		t.Errorf("the new file has %q", got)
	}
}

func TestAfterClose(t *testing.T) {
	p := path(t)
	l := start(t, Options{Path: p})
	s, _ := l.Reserve()
	end(t, l)
	end(t, l)
	s.Commit(&Record{Kind: "exchange"})
	l.Stray(stray(wire.Unauthenticated))
	if st := l.Stats(); st.Dropped != 2 {
		t.Errorf("records after Close are not counted: %+v", st)
	}
}

func TestOpenErrors(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		if l, err := New(Options{Path: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", path, l, err)
		}
	}
	f(filepath.Join(t.TempDir(), "nowhere", "audit.jsonl"), "cannot open the audit log")
	f(t.TempDir(), "name a file")
}

// A Log without a path records nothing and refuses nothing.
func TestWithoutPath(t *testing.T) {
	l := start(t, Options{Queue: 1})
	for range 3 {
		s, ok := l.Reserve()
		if !ok {
			t.Fatal("refused")
		}
		s.Commit(&Record{})
		s.Release()
	}
	l.Stray(stray(wire.Unauthenticated))
	l.Control(&Record{})
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
	end(t, l)
}
