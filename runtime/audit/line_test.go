package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log of lines rotates when its file has grown, keeps as many as it may, and loses none in between.
func TestRotation(t *testing.T) {
	file := path(t)
	l := start(t, Options{Path: file, Name: "decision log", MaxBytes: 100, Keep: 2, Drop: true})
	for i := range 50 {
		l.Line(fmt.Appendf(nil, "{\"id\":\"%02d\"}\n", i), nil)
		for l.Stats().Written <= int64(i) { // one write each, so that where it rotates is known
			l.pause(FlushEvery / 10)
		}
	}
	end(t, l)
	all := ids(lines(t, file+".2")) + " " + ids(lines(t, file+".1"))
	if rest := ids(lines(t, file)); rest != "" {
		all += " " + rest
	}
	want := make([]string, 0, 50)
	for i := range 50 {
		want = append(want, fmt.Sprintf("%02d", i))
	}
	if got := strings.Join(strings.Fields(all), " "); !strings.HasSuffix(strings.Join(want, " "), got) || len(strings.Fields(got)) < 18 {
		t.Errorf("kept %s", got)
	}
	if _, err := os.Stat(file + ".3"); !os.IsNotExist(err) {
		t.Errorf("a third old file is kept: %v", err)
	}
	info, err := os.Stat(file + ".1")
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() < 100 || info.Size() > 120 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestLinesAreDroppedWhenTheQueueIsFull(t *testing.T) {
	l := start(t, Options{Path: path(t), Queue: 1, Drop: true})
	l.mu.Lock() // the writer can take nothing
	slot, _ := l.Reserve()
	l.mu.Unlock()
	l.Line([]byte("{\"id\":\"late\"}\n"), nil)
	if st := l.Stats(); st.Dropped != 1 {
		t.Errorf("%+v", st)
	}
	slot.Release()
	end(t, l)
}

// Lines can be changed or left out by the writer; the others of their batch stay as they are, and in order.
func TestLinesAreEditedByTheWriter(t *testing.T) {
	file := path(t)
	l := start(t, Options{Path: file, Drop: true})
	edits := []func([]byte) []byte{
		nil,
		func(line []byte) []byte {
			return bytes.Replace(line, []byte(`"id":"`), []byte(`"secret":1,"id":"edited-`), 1)
		},
		func([]byte) []byte { return nil },
		func(line []byte) []byte { return line },
	}
	for i := range 40 {
		l.Line(fmt.Appendf(nil, "{\"id\":\"%02d\"}\n", i), edits[i%len(edits)])
	}
	end(t, l)
	var want []string
	for i := range 40 {
		switch i % len(edits) {
		case 1:
			want = append(want, fmt.Sprintf("edited-%02d", i))
		case 2:
		default:
			want = append(want, fmt.Sprintf("%02d", i))
		}
	}
	if got := ids(lines(t, file)); got != strings.Join(want, " ") {
		t.Errorf("got  %s\nwant %s", got, strings.Join(want, " "))
	}
	if st := l.Stats(); st.Written != 30 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}

func TestMessagesNameTheLog(t *testing.T) {
	_, err := New(Options{Path: filepath.Join(t.TempDir(), "gone", "d.jsonl"), Name: "decision log"})
	if err == nil || !strings.HasPrefix(err.Error(), "cannot open the decision log: ") {
		t.Error(err)
	}
}
