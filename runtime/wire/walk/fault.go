package walk

import (
	"errors"
	"strconv"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Unreadable is the fault of a body that strictjson.Parse refused with err.
func Unreadable(err error) *wire.Fault {
	var e *strictjson.Error
	if !errors.As(err, &e) {
		return &wire.Fault{Code: wire.InvalidJSON, Message: "the body cannot be read as JSON"}
	}
	f := &wire.Fault{Code: wire.Code(e.Code), Message: e.Message}
	if e.Offset >= 0 && e.Code != strictjson.TooLarge {
		f.Message += " at byte " + strconv.Itoa(e.Offset)
	}
	return f
}

// Invalid is the fault of a field with a wrong type or value.
func Invalid(param, message string) *wire.Fault {
	return &wire.Fault{Code: wire.InvalidRequest, Param: param, Message: message}
}

// Under says that a fault lies under key. Only keys of the tables are given: a caller's own words stay out of faults.
func Under(f *wire.Fault, key string) *wire.Fault {
	f.Param = path(key, f.Param)
	return f
}

// At says that a fault lies in the i-th element.
func At(f *wire.Fault, i int) *wire.Fault { return Under(f, "["+strconv.Itoa(i)+"]") }

// oneOf is "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Misread is the fault of an answer that can't be taken for what it should be.
func Misread(message string) *wire.Fault {
	return &wire.Fault{Code: wire.UpstreamError, Message: message}
}
