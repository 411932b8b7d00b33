package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

// Every record is written as slog's own handler writes it.
func FuzzText(f *testing.F) {
	east := time.FixedZone("", 5*3600+1800)
	start := time.Date(2026, 3, 1, 23, 59, 59, 999_999_999, time.UTC)
	f.Add("exchange", "id", "3d9a1ddc", int64(200), int64(1_234_567), 0)
	f.Add("", "", "", int64(-1), int64(-1), 4)
	for _, odd := range []string{"two words", "a=b", `a"b`, `a\b`, "line\n", "\x00", "\x7f", "é", "\u2028", "\xff"} {
		f.Add(odd, "key", "word", int64(1), int64(0), -4)
		f.Add("word", odd, "word", int64(1), int64(1), 8)
		f.Add("word", "key", odd, int64(1), int64(60e9), 1)
	}
	f.Fuzz(func(t *testing.T, message, key, word string, n, after int64, level int) {
		var got, want bytes.Buffer
		o := &slog.HandlerOptions{Level: slog.LevelDebug}
		h, w := newText(&got, o), slog.NewTextHandler(&want, o)
		for _, at := range []time.Time{start, start.In(east), start.Add(time.Duration(after % 1e15)), {}, start} {
			r := slog.NewRecord(at, slog.Level(level), message, 0)
			r.AddAttrs(slog.String(key, word), slog.Int64("n", n), slog.Duration("took", time.Duration(n)))
			for _, more := range [][]slog.Attr{nil, {slog.Bool("b", true)}, {slog.Any("error", errors.New(word))}, {slog.Group(key, slog.Int("n", 1))}, {{}}} {
				r := r.Clone()
				r.AddAttrs(more...)
				if err := errors.Join(h.Handle(context.Background(), r), w.Handle(context.Background(), r)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got.String() != want.String() {
			t.Errorf("got\n%swant\n%s", got.String(), want.String())
		}
	})
}

// A logger made of another has its attributes and groups.
func TestTextWith(t *testing.T) {
	var got, want bytes.Buffer
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	slog.New(newText(&got, nil)).With("a", 1).WithGroup("g").Info("x", "b", "two words")
	slog.New(slog.NewTextHandler(&want, &slog.HandlerOptions{ReplaceAttr: drop})).With("a", 1).WithGroup("g").Info("x", "b", "two words")
	if !bytes.HasSuffix(got.Bytes(), want.Bytes()) {
		t.Errorf("got %s, want %s", got.String(), want.String())
	}
}
