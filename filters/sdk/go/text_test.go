package sluice

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestTextFlags(t *testing.T) {
	x := Text{flags: 1 | 2 | 3<<2 | 1<<5 | 1<<6 | 61<<16}
	if !x.End() || !x.Answer() || x.Role() != RoleAssistant || !x.Arguments() || !x.Streamed() || x.Left() != 61 {
		t.Errorf("flags are read wrong: %+v", x)
	}
	x.flags = 0
	if x.End() || x.Answer() || x.Role() != RoleOther || x.Arguments() || x.Streamed() || x.Left() != 0 {
		t.Errorf("no flags are read wrong: %+v", x)
	}
}

func TestHooks(t *testing.T) {
	ok := func([]byte) error { return nil }
	f := func(x Filter, want uint32) {
		t.Helper()
		if got := x.hooks(); got != want {
			t.Errorf("hooks %b, want %b", got, want)
		}
	}
	f(Filter{}, 0)
	f(Filter{Request: true}, 0)
	f(Filter{Request: true, Text: func(*Text) {}}, 1)
	f(Filter{Answer: true, Text: func(*Text) {}, OnRequest: ok, OnResponse: ok}, 14)
}

func TestSettled(t *testing.T) {
	f := func(hook func(*Text), flags uint32, want int64) {
		t.Helper()
		Register(Filter{Text: hook})
		if got := show([]byte("four"), flags, 0); got != want {
			t.Errorf("settled %d, want %d", got, want)
		}
	}
	f(nil, 0, 4)
	f(func(*Text) {}, 0, 4)
	f(func(x *Text) { x.Settle(1) }, 0, 1)
	f(func(x *Text) { x.Settle(1) }, 1, 4) // the end settles all
}

func TestTry(t *testing.T) {
	Facts["principal.tenant"] = strings.Repeat("red", 60)
	Register(Filter{Request: true, Text: func(x *Text) {
		x.Redact(0, 1, "a")
		x.Open(1, "b")
		x.Close(2)
		x.Replace(2, 2, "c")
		x.SetState(x.State() + 7)
		Label("k", "v")
		Reject("code", "message")
		Log(Warn, "line")
		if tenant, ok := Get("principal.tenant"); !ok || len(tenant) != 180 {
			t.Errorf("Get = %q, %v", tenant, ok)
		}
		if _, ok := Get("model"); ok {
			t.Error("an absent fact was there")
		}
	}})
	want := []Call{
		{Name: "redact", End: 1, Args: []string{"a"}},
		{Name: "redact_open", Start: 1, Args: []string{"b"}},
		{Name: "redact_close", End: 2},
		{Name: "replace", Start: 2, End: 2, Args: []string{"c"}},
		{Name: "next_state", Word: 7},
		{Name: "label", Args: []string{"k", "v"}},
		{Name: "reject", Args: []string{"code", "message"}},
		{Name: "log", Word: uint64(Warn), Args: []string{"line"}},
	}
	if got := Try("text", 0); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTryRequest(t *testing.T) {
	Register(Filter{
		OnRequest: func([]byte) error {
			Set("seed", "7")
			AddMessage(true, RoleSystem, "hi")
			return nil
		},
		Config: func(json []byte) error {
			if string(json) != "{}" {
				return errors.New("bad")
			}
			return nil
		},
	})
	ok, made := TryRequest("{}")
	if want := []Call{{Name: "set", Args: []string{"seed", "7"}}, {Name: "message", Word: 17, Args: []string{"hi"}}}; !ok || !reflect.DeepEqual(made, want) {
		t.Errorf("got %v %+v", ok, made)
	}
	if ok, made := TryConfig("{}"); !ok || len(made) != 0 {
		t.Errorf("got %v %+v", ok, made)
	}
	if ok, made := TryConfig("x"); ok || len(made) != 1 || made[0].Word != uint64(Error) {
		t.Errorf("got %v %+v", ok, made)
	}
}

func ExampleTry() {
	Register(Filter{Request: true, Text: func(x *Text) {
		if i := strings.Index(string(x.Bytes()), "Falcon"); i >= 0 {
			x.Redact(i, i+len("Falcon"), "project")
		}
	}})
	for _, c := range Try("about Falcon", 0) {
		fmt.Println(c.Name, c.Start, c.End, c.Args)
	}
	// Output: redact 6 12 [project]
}

func TestNoConfig(t *testing.T) {
	Register(Filter{})
	if ok, made := TryConfig("{}"); !ok || len(made) != 0 {
		t.Errorf("got %v %+v", ok, made)
	}
	if ok, made := TryConfig(`{"a": 1}`); ok || len(made) != 1 || made[0].Args[0] != "the filter takes no configuration" {
		t.Errorf("got %v %+v", ok, made)
	}
}

func TestInert(t *testing.T) {
	f := Filter{Inert: func(c byte) bool { return c == ' ' }}
	f.classify()
	if classes[' '] != 0 || classes['x'] != 1 || classes[0] != 1 {
		t.Errorf("classes %v", classes)
	}
	f.Inert = nil
	if f.classify(); classes[' '] != 1 {
		t.Error("without the hook no byte is inert")
	}
}
