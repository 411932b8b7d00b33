package filter

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// Whatever is wrong with a module, the error says at which stage, and goes on to its cause.
func TestStages(t *testing.T) {
	e := engine(t, Options{})
	f := func(want string, change func(*Spec)) {
		t.Helper()
		s := Spec{Name: "x", Module: minimal().bytes(), Request: true, Limits: Limits{Load: 30 * time.Millisecond}}
		change(&s)
		got, err := e.Load(context.Background(), s)
		if err == nil {
			_ = got.Close(context.Background())
			t.Fatalf("loaded; want a failure of %s", want)
		}
		var at *StageError
		if !errors.As(err, &at) || at.Stage != want || !slices.Contains(Stages(), at.Stage) || StageOf(err) != want || at.Unwrap() == nil {
			t.Errorf("got %q, want a failure of the stage %s", err, want)
		}
	}
	code := func(b []byte) func(*Spec) { return func(s *Spec) { s.Module = b } }
	f(StageSize, func(s *Spec) { s.Limits.ModuleBytes = 10 })
	f(StageABI, code([]byte("#!/bin/sh")))
	f(StageABI, code(new(asm).fn("run", ":").memory().bytes()))
	f(StageABI, func(s *Spec) { s.Answer = true })
	f(StageABI, code(minimal().fn("_initialize", ":", 0x00).bytes()))
	f(StageRewrite, func(s *Spec) { s.Limits.MemoryPages = 2 })
	f(StageConfig, code(minimal().fn("on_config", "ii:i", i32(3)...).bytes()))
	f(StageWarm, code(new(asm).memory().fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", i32(16)...).fn("on_text", "iiiI:I", 0x00).bytes()))
	if err := errors.New("no stage"); StageOf(err) != "" || StageOf(nil) != "" || at(StageWarm, nil) != nil {
		t.Errorf("a stage of an error that names none: %q", StageOf(err))
	}
}
