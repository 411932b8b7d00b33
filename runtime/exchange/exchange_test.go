package exchange_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

func ExampleFail() {
	err := exchange.Fail(exchange.StageForward, wire.UpstreamUnreachable, "the model server cannot be reached", io.ErrUnexpectedEOF)
	fmt.Println("for the caller:", err.Fault.HTTPStatus(), err.Fault)
	fmt.Println("for the log:   ", err)
	// Output:
	// for the caller: 502 upstream_unreachable: the model server cannot be reached
	// for the log:    forward: upstream_unreachable: the model server cannot be reached: unexpected EOF
}

// Whatever an error is made of, a caller gets a fault of the table and never the cause's own words.
func TestAsError(t *testing.T) {
	verdict := exchange.Fail(exchange.StageDecide, wire.DeniedByPolicy, "no", nil)
	fault := &wire.Fault{Code: wire.MissingField, Message: "m", Param: "p"}
	f := func(name string, err error, stage exchange.Stage, code wire.Code, message string) {
		t.Helper()
		e := exchange.AsError(exchange.StageParse, err)
		if e.Stage != stage || e.Fault.Code != code || e.Fault.Message != message {
			t.Errorf("%s: %s %s %q, want %s %s %q", name, e.Stage, e.Fault.Code, e.Fault.Message, stage, code, message)
		}
	}
	f("an Error keeps its stage", verdict, exchange.StageDecide, wire.DeniedByPolicy, "no")
	f("a wrapped Error", fmt.Errorf("around: %w", verdict), exchange.StageDecide, wire.DeniedByPolicy, "no")
	f("a fault", fault, exchange.StageParse, wire.MissingField, "m")
	f("a wrapped fault", fmt.Errorf("around: %w", fault), exchange.StageParse, wire.MissingField, "m")
	f("anything else", errors.New("secret"), exchange.StageParse, wire.Internal, "internal error")
}

func TestErrorUnwraps(t *testing.T) {
	err := error(exchange.Fail(exchange.StageFilter, wire.FilterFailed, "m", io.EOF))
	var fault *wire.Fault
	if !errors.Is(err, io.EOF) || !errors.As(err, &fault) || fault.Code != wire.FilterFailed {
		t.Errorf("%v: cause or fault is not found", err)
	}
	bare := error(exchange.Fail(exchange.StageFilter, wire.FilterFailed, "m", nil))
	if errors.Is(bare, io.EOF) || !errors.As(bare, &fault) {
		t.Errorf("%v: a cause where there is none, or no fault", bare)
	}
}

func TestLabels(t *testing.T) {
	var l exchange.Labels
	l.Set("redact", "cards", int64(2))
	l.Set("redact", "seen", true)
	l.Set("other", "word", "x")
	l.Set("redact", "cards", int64(3))
	want := exchange.Labels{"redact": {"cards": int64(3), "seen": true}, "other": {"word": "x"}}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("%v, want %v", l, want)
	}
}

// The zero value of a decision must be the careful one: no cache, and the narrow scope.
func TestZeroDecisionIsCareful(t *testing.T) {
	var d exchange.Decision
	if d.Allowed || d.Cache.Mode != exchange.CacheOff || d.Cache.Scope != exchange.ScopePrincipal || d.Debug {
		t.Errorf("%+v", d)
	}
	if (exchange.Admission{}).Allowed {
		t.Error("an admission that nobody made admits")
	}
}
