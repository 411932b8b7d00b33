package filter

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// feeder gives a stream a text in deltas and keeps what leaves.
type feeder struct {
	t    testing.TB
	s    *Stream
	out  strings.Builder
	most int // held back at once
	wait int // of it, what was not yet decided on: the rest is of open spans
}

func (f *feeder) say(choice int, text string, size int) error {
	f.t.Helper()
	for len(text) > 0 {
		n := snap(text, min(size, len(text)))[0]
		if n == 0 {
			n = len(text)
		}
		evs, err := f.s.Event(context.Background(), delta{choice: choice, field: "content", text: text[:n]}.event(f.t))
		if err != nil {
			return err
		}
		f.take(evs)
		f.most = max(f.most, f.s.held)
		f.wait = max(f.wait, undecided(f.s))
		text = text[n:]
	}
	return nil
}

// undecided is how many bytes the lanes of a stream hold back that belong to no open span.
func undecided(s *Stream) (n int) {
	for _, l := range s.lanes {
		for _, f := range feedsOf(l.way) {
			n += len(f.buf) - f.left
		}
	}
	return n
}

// feedsOf are the filters on a lane's way.
func feedsOf(way passage) []*feed {
	switch w := way.(type) {
	case *feed:
		return []*feed{w}
	case *cascade:
		return w.feeds
	}
	return nil
}

func (f *feeder) take(evs []*wire.Event) {
	for _, ev := range evs {
		for i := range ev.Pieces {
			f.out.Write(ev.Pieces[i].Node.Bytes())
		}
	}
}

func (f *feeder) end() {
	f.t.Helper()
	evs, err := f.s.End(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	f.take(evs)
}

// Texts that could go on to be a finding for as long as they last are held back up to a bound, and what is found behind
// it is what is found in the whole.
func TestHeldBackIsBounded(t *testing.T) {
	w := redactor(t)
	n := 2_000
	if thorough {
		n = 100_000
	}
	sizes := []int{1, 7, 100}
	if raceDetector {
		sizes = []int{100}
	}
	f := func(name, long, end, secret string) {
		t.Helper()
		for _, size := range sizes {
			length := min(n, map[int]int{1: 2_000, 7: 20_000, 100: n}[size]) // an exchange's guest time is for what a model says
			text := "so: " + strings.Repeat(long, length/len(long)) + end
			p := begin(t, ask(t, "red", "hi"), w)
			in := &feeder{t: t, s: p.Stream()}
			if err := in.say(0, text, size); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			in.end()
			p.Close()
			if in.wait > mostHeld {
				t.Errorf("%s: %d bytes held back", name, in.wait)
			}
			t.Logf("%s by %d: at most %d bytes held back, %d with open spans", name, size, in.wait, in.most)
			if got := in.out.String(); strings.Contains(got, secret) || got != wholeAnswer(t, text, w) {
				t.Errorf("%s: %q", name, got[max(0, len(got)-100):])
			}
		}
	}
	f("word", "a", " bob@corp.example", "bob@corp")
	f("local part", "a", "bob@corp.example ", "@corp")
	f("domain", "b.", "bob@corp.example ", "@corp")
	f("domain's labels", "a@b.", " bob@corp.example ", "@corp")
	f("digits", "4", " 4111 1111 1111 1111", "4111 1111 1111")
	f("groups", "1234 ", "4111 1111 1111 1111", "4111 1111 1111")
	f("zero-width", "a\u200b", " bob@corp.example", "bob@corp")
	f("only zero-width", "\u200b", " bob@corp.example", "bob@corp")
	f("percents", "%61", " bob@corp.example", "bob@corp")
	f("escapes", `\u0061`, " bob@corp.example", "bob@corp")
	f("full-width", "\uff21", " bob@corp.example", "bob@corp")
	f("dashes", "-", "\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "MIIE")
	f("words for a secret", "api_key = ", "8f3kQ9zLm2Xv7Rt4Wp6Yb1Nc ", "8f3kQ9")
	f("a secret's beginning", "ghp_", " ghp_16C7e42F292c6912E7710c838347Ae178B4a ", "16C7e42F292c6912E7710c838347Ae178B4a")
	f("halves of JWTs", "eyJhbGciOiJIUzI1NiJ9.", " bob@corp.example", "bob@corp")
	f("IBANs", "DE89", " bob@corp.example", "bob@corp")
	f("addresses", "203.0.113.", " 203.0.113.7", " 203.0.113.7")
	f("colons", "::", " bob@corp.example", "bob@corp")
}

// What is over a bound stops the stream before anything of it leaves: an open span that is too long, too many open spans
// side by side, too many texts.
func TestHeldBackTooMuch(t *testing.T) {
	w := redactor(t)
	const begin1 = "key: -----BEGIN PRIVATE KEY-----\n"
	line := "MIIEowIBAAKCAQEAxyz0123456789abcdefghijklmnopqrstuvwxyzABCDEF/+12\n"
	f := func(name string, choices, bytes, out int) {
		t.Helper()
		p := begin(t, ask(t, "red", "hi"), w)
		defer p.Close()
		in := &feeder{t: t, s: p.Stream()}
		var err error
		for i := 0; i < choices && err == nil; i++ {
			err = in.say(i, begin1+strings.Repeat(line, bytes/len(line)), 16<<10)
		}
		if code(err) != "filter_failed" {
			t.Errorf("%s: %v", name, err)
		}
		if got := in.out.String(); strings.Contains(got, "MII") || strings.Contains(got, "BEGIN") || strings.Count(got, "***") != 0 && out == 0 {
			t.Errorf("%s: %.200q left", name, got)
		}
		if in.most > 512<<10 {
			t.Errorf("%s: %d bytes held back", name, in.most)
		}
	}
	f("one long key", 1, 300<<10, 0)
	f("many keys", 4, 200<<10, 0)
	f("many texts", 300, len(line), 0)
}

// Beyond the bound of a token nothing is held back by restore.
func TestRestoreHoldsBackNoMoreThanAToken(t *testing.T) {
	w := load(t, words(t))
	_, p, err := pass(t, "ana@x.org", w)
	if err != nil {
		t.Fatal(err)
	}
	for _, long := range []string{"[", "[A", "[EMAIL_", "[EMAIL_1", strings.Repeat("A", 60)} {
		in := &feeder{t: t, s: p.RestoreStream(nil)}
		text := "[" + strings.Repeat(long, 5_000/len(long)) + "[EMAIL_1]"
		if err := in.say(0, text, 3); err != nil {
			t.Fatal(err)
		}
		in.end()
		a, err := openai.Chat.Answer(answer(text))
		if err != nil {
			t.Fatal(err)
		}
		p.RestoreAnswer(a, nil)
		if got := in.out.String(); got != string(a.Pieces[0].Node.Bytes()) || in.most > 48 || !strings.HasSuffix(got, "ana@x.org") {
			t.Errorf("%s: %d held, %.60q", fmt.Sprintf("%.8q", long), in.most, got)
		}
	}
}
