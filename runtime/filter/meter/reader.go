package meter

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// reader reads the binary format with bounds checks. Its first failure sticks:
// every later read returns zero, so that callers test err once per item.
type reader struct {
	b     []byte // the module, cut off where reading must end
	pos   int    // offset in the module
	where string // what is being read, for errors
	err   error
}

// fail records the first failure, at the current offset.
func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Where: r.where, Offset: r.pos, Reason: fmt.Sprintf(format, args...)}
	}
}

func (r *reader) left() int { return len(r.b) - r.pos }

func (r *reader) byte() byte {
	if r.err != nil || r.pos >= len(r.b) {
		r.fail("unexpected end")
		return 0
	}
	r.pos++
	return r.b[r.pos-1]
}

// take returns the next n bytes, which alias the module.
func (r *reader) take(n int) []byte {
	if r.err != nil || n < 0 || n > r.left() {
		r.fail("unexpected end")
		return nil
	}
	r.pos += n
	return r.b[r.pos-n : r.pos]
}

// u32 reads an unsigned LEB128 number of at most 32 bits and 5 bytes
// (WebAssembly core 5.2.2). Both bounds matter: a runtime that read another
// length here would see other instructions than we meter.
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if v > math.MaxUint32 {
				break
			}
			return uint32(v)
		}
	}
	r.fail("number does not fit 32 bits")
	return 0
}

// signed reads a signed LEB128 number of the given width.
func (r *reader) signed(bits int) int64 {
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		if shift == 63 {
			if b != 0 && b != 0x7f {
				break
			}
			return v
		}
		v = extend(v, shift+7)
		if v != extend(v, bits) {
			break
		}
		return v
	}
	r.fail("number does not fit %d bits", bits)
	return 0
}

// extend spreads bit n-1 of v over all the bits above it.
func extend(v int64, n int) int64 { return v << (64 - n) >> (64 - n) }

// count reads the length of a vector. Each element takes a byte or more, so a
// count beyond the bytes left is refused before anyone allocates for it.
func (r *reader) count() int {
	n := r.u32()
	if int64(n) > int64(r.left()) {
		r.fail("%d elements announced, %d bytes left", n, r.left())
		return 0
	}
	return int(n)
}

func (r *reader) name() string {
	b := r.take(r.count())
	if !utf8.Valid(b) {
		r.fail("name is not UTF-8")
	}
	return string(b)
}

// index reads an index into a space of n things.
func (r *reader) index(what string, n int) uint32 {
	start := r.pos
	i := r.u32()
	if r.err == nil && int64(i) >= int64(n) {
		r.pos = start
		r.fail("%s %d does not exist, there are %d", what, i, n)
		return 0
	}
	return i
}

// memory reads a memory index, which must be the single byte 0.
func (r *reader) memory() {
	if b := r.byte(); b != 0 {
		r.pos--
		r.fail("more than one memory (multi-memory) can't be metered")
	}
}

func (r *reader) valueType() ValueType {
	t := ValueType(r.byte())
	if reason := refusedType(t); reason != "" {
		r.fail("%s", reason)
	}
	return t
}

func (r *reader) valueTypes() []ValueType {
	n := r.count()
	if n == 0 {
		return nil
	}
	ts := make([]ValueType, 0, n)
	for range n {
		ts = append(ts, r.valueType())
	}
	return ts
}

// refusedType returns why t is no type that can be metered, or nothing.
func refusedType(t ValueType) string {
	switch t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
		return ""
	case 0x63, 0x64:
		return "typed function references can't be metered"
	case 0x68, 0x69, 0x74:
		return "exceptions can't be metered"
	case 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73:
		return "garbage-collected types can't be metered"
	}
	return fmt.Sprintf("0x%02x is not a value type", byte(t))
}

func (r *reader) refType() ValueType {
	t := r.valueType()
	if t != FuncRef && t != ExternRef {
		r.fail("%v is not a reference type", t)
	}
	return t
}

// limits are those of a memory in pages or of a table in elements.
type limits struct {
	min, max uint32
	hasMax   bool
}

func (r *reader) limits() (l limits) {
	switch flags := r.byte(); {
	case flags > 0x0f:
		r.fail("0x%02x are not limits", flags)
	case flags&8 != 0:
		r.fail("custom page sizes can't be metered")
	case flags&4 != 0:
		r.fail("64-bit memories and tables can't be metered")
	case flags&2 != 0:
		r.fail("shared memory (threads) can't be metered")
	default:
		l.hasMax = flags == 1
	}
	l.min = r.u32()
	if l.hasMax {
		l.max = r.u32()
	}
	if l.hasMax && l.max < l.min {
		r.fail("maximum %d is below minimum %d", l.max, l.min)
	}
	return l
}
