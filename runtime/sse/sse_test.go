package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sluicegate/sluice/runtime/reuse"
)

// readAll reads a stream to its end: the events as "name|data", and how it ended.
func readAll(src io.Reader, maxEvent int) ([]string, error) {
	r := NewReader(src, maxEvent)
	var events []string
	for {
		e, err := r.Next()
		if err == nil || e.Data != nil {
			events = append(events, string(e.Name)+"|"+string(e.Data))
		}
		if err != nil {
			return events, err
		}
	}
}

func TestReader(t *testing.T) {
	f := func(input string, want []string, wantErr error) {
		t.Helper()
		got, err := readAll(strings.NewReader(input), 0)
		if !errors.Is(err, wantErr) {
			t.Errorf("%q ends with %v, want %v", input, err, wantErr)
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%q gives %q, want %q", input, got, want)
		}
	}
	f("", nil, io.EOF)
	f("data: a\n\n", []string{"|a"}, io.EOF)
	f("data:a\n\ndata:  b\n\n", []string{"|a", "| b"}, io.EOF)
	f("data: a\r\n\r\ndata: b\r\rdata: c\n\r\n", []string{"|a", "|b", "|c"}, io.EOF)
	f("\uFEFFdata: a\n\n", []string{"|a"}, io.EOF)
	f("data: a\n\n\uFEFFdata: b\n\n", []string{"|a"}, io.EOF) // a field of another name
	f("data: a\ndata: b\ndata\n\n", []string{"|a\nb\n"}, io.EOF)
	f("data:\n\n", []string{"|"}, io.EOF)
	f("data\n\n", []string{"|"}, io.EOF)
	f("event: x\ndata: a\n\ndata: b\n\n", []string{"x|a", "|b"}, io.EOF)
	f("event: x\n\ndata: a\n\n", []string{"|a"}, io.EOF)
	f("event: x\nevent: y\ndata: a\n\n", []string{"y|a"}, io.EOF)
	f(": hello\n\n:\ndata: a\n: there\n\n: bye\n\n", []string{"|a"}, io.EOF)
	f(": bye\n", nil, io.EOF)
	f("id: 7\nretry: 10\ndata: a\n\n", []string{"|a"}, io.EOF)
	f("Data: a\n\n data: b\n\n", nil, io.EOF)
	f("\n\n\ndata: a\n\n\n\n", []string{"|a"}, io.EOF)
	// Cut inside an event; what was complete of it comes along.
	f("data: a\n\ndata: b", []string{"|a"}, io.ErrUnexpectedEOF)
	f("data: a\n\ndata: [DONE]\n", []string{"|a", "|[DONE]"}, io.ErrUnexpectedEOF)
	f("data: a\n\nevent: x\n", []string{"|a"}, io.ErrUnexpectedEOF)
	f("data: a\n\n: half a comm", []string{"|a"}, io.ErrUnexpectedEOF)
}

func TestReaderLimits(t *testing.T) {
	f := func(input string, want error) {
		t.Helper()
		for name, src := range map[string]io.Reader{
			"whole":        strings.NewReader(input),
			"byte by byte": iotest.OneByteReader(strings.NewReader(input)),
		} {
			if _, err := readAll(src, 10); !errors.Is(err, want) {
				t.Errorf("%q, %s, ends with %v, want %v", input, name, err, want)
			}
		}
	}
	f("data: 1234567890\n\n", io.EOF)
	f("data:12345678901\n\n", ErrTooLong)
	f("data:12345\ndata:1234\n\n", io.EOF)
	f("data:12345\ndata:12345\n\n", ErrTooLong)
	f("event:12345\ndata:123456\n\n", ErrTooLong)
	f(strings.Repeat(":1234\n", 100)+"data:1\n\n", io.EOF)
	f("\uFEFFevent: 1234567890\n\n", io.EOF)
	f(strings.Repeat("x", 26)+"\n", io.ErrUnexpectedEOF)
	f(strings.Repeat("x", 27)+"\n", ErrTooLong)
	f(strings.Repeat("x", 27), ErrTooLong)
	f(":"+strings.Repeat("x", firstBuffer), ErrTooLong)
}

// errBroken stands for a connection that breaks.
var errBroken = errors.New("broken")

func TestReaderGivesEventsBeforeTheError(t *testing.T) {
	src := io.MultiReader(strings.NewReader("data: a\n\ndata: b\n\ndata: c"), iotest.ErrReader(errBroken))
	got, err := readAll(src, 0)
	if fmt.Sprint(got) != "[|a |b]" || !errors.Is(err, errBroken) {
		t.Errorf("got %q and %v", got, err)
	}
	if _, err := readAll(stuck{}, 0); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that reads nothing ends with %v", err)
	}
}

// stuck is a source that never gives anything and never fails.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestReaderDoesNotWait writes one event and nothing more: it must come out although the next line has not begun.
func TestReaderDoesNotWait(t *testing.T) {
	for _, end := range []string{"\n\n", "\r\n\r\n", "\r\r"} {
		pr, pw := io.Pipe()
		go func() {
			for _, c := range []byte("data: a" + end) {
				if _, err := pw.Write([]byte{c}); err != nil {
					return
				}
			}
		}()
		e, err := NewReader(pr, 0).Next()
		if err != nil || string(e.Data) != "a" {
			t.Errorf("with line end %q: got %q and %v", end, e.Data, err)
		}
		_ = pr.Close()
	}
}

// TestReaderAtEverySplit reads one stream cut in two at every place, and byte by byte.
func TestReaderAtEverySplit(t *testing.T) {
	const input = "\uFEFF: hi\r\ndata: a\r\rdata: b\r\ndata:c\r\n\r\nevent: e\ndata: d\n\n\r\ndata: [DONE]\n\n"
	want, _ := readAll(strings.NewReader(input), 0)
	if len(want) != 4 {
		t.Fatalf("got %q", want)
	}
	for i := range len(input) {
		got, err := readAll(io.MultiReader(strings.NewReader(input[:i]), strings.NewReader(input[i:])), 0)
		if fmt.Sprint(got) != fmt.Sprint(want) || !errors.Is(err, io.EOF) {
			t.Errorf("cut at %d: got %q and %v, want %q", i, got, err, want)
		}
	}
	got, err := readAll(iotest.OneByteReader(strings.NewReader(input)), 0)
	if fmt.Sprint(got) != fmt.Sprint(want) || !errors.Is(err, io.EOF) {
		t.Errorf("byte by byte: got %q and %v, want %q", got, err, want)
	}
}

// patient gives a stream in pieces, and can be waited for.
type patient struct {
	t      *testing.T
	pieces []string
	waited bool
}

// Wait sees that the reader has no buffer.
func (p *patient) Wait() error {
	if out := reuse.Out(); len(out) > 0 {
		p.t.Errorf("while it waits are out: %v", out)
	}
	p.waited = true
	if len(p.pieces) == 0 {
		return errDown
	}
	return nil
}

func (p *patient) Read(b []byte) (int, error) {
	if len(p.pieces) == 0 {
		p.t.Error("read behind an error")
		return 0, errDown
	}
	n := copy(b, p.pieces[0])
	if p.pieces[0] = p.pieces[0][n:]; p.pieces[0] == "" {
		p.pieces = p.pieces[1:]
	}
	return n, nil
}

var errDown = errors.New("down")

// Who waits for the next event holds no buffer, and what it reads is the same; an error of the waiting is the stream's.
func TestReaderWaits(t *testing.T) {
	input := ": hi\r\ndata: a\r\rdata: b\r\ndata:c\r\n\r\nevent: e\ndata: " + strings.Repeat("long ", 2000) + "\n\n: ping\n\ndata: [DONE]\n\n"
	want, _ := readAll(strings.NewReader(input), 0)
	if len(want) != 4 {
		t.Fatalf("got %q", want)
	}
	reuse.Count()
	for i := range len(input) {
		src := &patient{t: t, pieces: slices.DeleteFunc([]string{input[:i], input[i:]}, func(s string) bool { return s == "" })}
		r := NewReader(src, 0)
		var got []string
		e, err := r.Next()
		for ; err == nil; e, err = r.Next() {
			got = append(got, string(e.Name)+"|"+string(e.Data))
		}
		r.Release()
		if fmt.Sprint(got) != fmt.Sprint(want) || !errors.Is(err, errDown) || !src.waited {
			t.Fatalf("cut at %d: got %.100q and %v, want %.100q", i, got, err, want)
		}
		if out := reuse.Out(); len(out) > 0 {
			t.Fatalf("cut at %d: not given back: %v", i, out)
		}
	}
}

func TestReaderOfLongEvents(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	var stream []byte
	for i := range 20 {
		stream = AppendData(stream, []byte(long[:i*5000]))
	}
	got, err := readAll(iotest.HalfReader(bytes.NewReader(stream)), 0)
	if !errors.Is(err, io.EOF) || len(got) != 20 {
		t.Fatalf("%d events, %v", len(got), err)
	}
	for i, e := range got {
		if e != "|"+long[:i*5000] {
			t.Errorf("event %d has %d bytes, want %d", i, len(e)-1, i*5000)
		}
	}
}

func TestAppend(t *testing.T) {
	f := func(got []byte, want string) {
		t.Helper()
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(AppendData(nil, []byte(`{"a":1}`)), "data: {\"a\":1}\n\n")
	f(AppendData([]byte("x"), nil), "xdata: \n\n")
	f(AppendData(nil, []byte("a\nb\r\nc\rd\n")), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n")
	f(AppendEvent(nil, "ping", []byte("a")), "event: ping\ndata: a\n\n")
	f(AppendEvent(nil, "", []byte("a")), "data: a\n\n")
	f(AppendEvent(nil, "p\ndata: evil", []byte("a")), "event: p data: evil\ndata: a\n\n")
	f(AppendComment(nil, "keep-alive"), ": keep-alive\n\n")
	f(AppendComment(nil, "a\r\ndata: evil"), ": a  data: evil\n\n")
}

// FuzzReader checks that a stream reads the same however it is cut, that what was read survives a round trip, and
// that no event is over the limit.
func FuzzReader(f *testing.F) {
	f.Add([]byte("data: a\n\ndata: b\r\n\r\n"), uint16(3))
	f.Add([]byte("\uFEFFevent: x\rdata: 1\rdata: 2\r\r: c\n\ndata"), uint16(17))
	f.Fuzz(func(t *testing.T, input []byte, cut uint16) {
		const limit = 64
		whole, wholeErr := readAll(bytes.NewReader(input), limit)
		at := min(int(cut), len(input))
		parts := io.MultiReader(bytes.NewReader(input[:at]), iotest.OneByteReader(bytes.NewReader(input[at:])))
		cutUp, cutErr := readAll(parts, limit)
		if fmt.Sprintf("%q", whole) != fmt.Sprintf("%q", cutUp) || !errors.Is(cutErr, wholeErr) {
			t.Fatalf("whole: %q, %v; cut at %d: %q, %v", whole, wholeErr, at, cutUp, cutErr)
		}
		var again []byte
		for _, e := range whole {
			name, data, _ := strings.Cut(e, "|")
			if strings.Contains(name, "|") {
				return
			}
			if len(e)-1 > limit {
				t.Fatalf("an event of %d bytes", len(e)-1)
			}
			again = AppendEvent(again, name, []byte(data))
		}
		if got, err := readAll(bytes.NewReader(again), 0); !errors.Is(err, io.EOF) || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", whole) {
			t.Fatalf("round trip of %q gives %q, %v", whole, got, err)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	event := AppendData(nil, bytes.Repeat([]byte("x"), 200))
	stream := bytes.Repeat(event, 1000)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(bytes.NewReader(stream), 0)
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}

func BenchmarkAppendData(b *testing.B) {
	data := bytes.Repeat([]byte("x"), 200)
	var dst []byte
	b.SetBytes(200)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendData(dst[:0], data)
	}
}
