package strictjson

import "strconv"

// Code names what is wrong with a body. The spelling is that of the gateway's error codes.
type Code string

// The codes.
const (
	InvalidJSON   Code = "invalid_json"
	DuplicateKey  Code = "duplicate_key"
	InvalidNumber Code = "invalid_number"
	InvalidUTF8   Code = "invalid_utf8"
	LoneSurrogate Code = "lone_surrogate"
	TooDeep       Code = "too_deep"
	TooLarge      Code = "body_too_large"
)

// Error is a refusal by either door. It may be shown to a caller: it holds nothing of the body.
type Error struct {
	Code    Code
	Offset  int    // in bytes from the start of the body; -1 where it is not known
	Message string // one clause: what was found or expected
}

// Error is code, place and message.
func (e *Error) Error() string {
	if e.Offset < 0 {
		return string(e.Code) + ": " + e.Message
	}
	return string(e.Code) + " at byte " + strconv.Itoa(e.Offset) + ": " + e.Message
}

const (
	defaultMaxBytes = 8 << 20
	defaultMaxDepth = 128
	// maxBytes keeps every offset and index within 32 bits.
	maxBytes = 1 << 30
)

// Limits bound what Parse takes.
type Limits struct {
	MaxBytes int // size of the body; 0 means 8 MiB, and 1 GiB is the most
	MaxDepth int // nesting of objects and arrays; 0 means 128
}

// withDefaults fills in what is not set.
func (l Limits) withDefaults() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = defaultMaxBytes
	}
	l.MaxBytes = min(l.MaxBytes, maxBytes)
	if l.MaxDepth <= 0 {
		l.MaxDepth = defaultMaxDepth
	}
	return l
}
