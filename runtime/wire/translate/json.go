package translate

import (
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// refuse is the fault of a field that the other format cannot say, or that the reader does not know.
func refuse(param string) *wire.Fault {
	return &wire.Fault{Code: wire.UnsupportedField, Param: param, Message: "the model's endpoint speaks an API that cannot say this"}
}

// invalid is the fault of a field that is not what its format says it is.
func invalid(param, message string) *wire.Fault {
	return &wire.Fault{Code: wire.InvalidRequest, Param: param, Message: message}
}

// unknown refuses a field by its name, if that looks like one: a caller's text may stand where a name should.
func unknown(key []byte) *wire.Fault {
	if len(key) == 0 || len(key) > 64 {
		return refuse("")
	}
	for _, c := range key {
		if c != '_' && c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return refuse("")
		}
	}
	return refuse(string(key))
}

// under says that a fault lies under key.
func under(f *wire.Fault, key string) *wire.Fault {
	switch {
	case f == nil:
		return nil
	case f.Param == "":
		f.Param = key
	case f.Param[0] == '[':
		f.Param = key + f.Param
	default:
		f.Param = key + "." + f.Param
	}
	return f
}

// at says that a fault lies in the i-th element.
func at(f *wire.Fault, i int) *wire.Fault {
	if f == nil {
		return nil
	}
	return under(f, "["+strconv.Itoa(i)+"]")
}

// object calls f for each member of an object that is not null.
func object(n strictjson.Node, f func(key []byte, v strictjson.Node) *wire.Fault) *wire.Fault {
	if n.Kind() != strictjson.Object {
		return invalid("", "must be an object")
	}
	for k, v := range n.Members() {
		if v.Kind() == strictjson.Null {
			continue
		}
		if fault := f(k.Bytes(), v); fault != nil {
			return fault
		}
	}
	return nil
}

// list calls f for each element of an array.
func list(n strictjson.Node, f func(v strictjson.Node) *wire.Fault) *wire.Fault {
	if n.Kind() != strictjson.Array {
		return invalid("", "must be an array")
	}
	i := 0
	for v := range n.Elements() {
		if fault := f(v); fault != nil {
			return at(fault, i)
		}
		i++
	}
	return nil
}

// str reads a string.
func str(n strictjson.Node, to *[]byte) *wire.Fault {
	if n.Kind() != strictjson.String {
		return invalid("", "must be a string")
	}
	*to = n.Bytes()
	if *to == nil {
		*to = []byte{}
	}
	return nil
}

// num reads a number as it is written.
func num(n strictjson.Node, to *[]byte) *wire.Fault {
	if n.Kind() != strictjson.Number {
		return invalid("", "must be a number")
	}
	*to = n.Raw()
	return nil
}

// boolean reads true or false.
func boolean(n strictjson.Node, to *tri) *wire.Fault {
	b, ok := n.Bool()
	if !ok {
		return invalid("", "must be true or false")
	}
	*to = truth(b)
	return nil
}

// rawObject reads an object as it is written.
func rawObject(n strictjson.Node, to *[]byte) *wire.Fault {
	if n.Kind() != strictjson.Object {
		return invalid("", "must be an object")
	}
	*to = n.Raw()
	return nil
}

// zero tells whether a value asks for nothing: false, 0, an empty string, array or object.
func zero(n strictjson.Node) bool {
	switch n.Kind() {
	case strictjson.Bool:
		b, _ := n.Bool()
		return !b
	case strictjson.Number:
		f, err := strconv.ParseFloat(string(n.Raw()), 64)
		return err == nil && f == 0
	case strictjson.String:
		return len(n.Bytes()) == 0
	case strictjson.Array, strictjson.Object:
		return n.Len() == 0
	default:
		return true
	}
}

// unless refuses a value that asks for something.
func unless(ok bool) *wire.Fault {
	if ok {
		return nil
	}
	return refuse("")
}

// isObject tells whether raw is one JSON object, judged strictly.
func isObject(raw []byte) bool {
	doc, err := strictjson.Parse(raw, strictjson.Limits{MaxBytes: maxBody})
	if err != nil {
		return false
	}
	defer doc.Release()
	return doc.Root().Kind() == strictjson.Object
}

// maxBody bounds what is read here; the gateway's own limits have judged the body before.
const maxBody = 1 << 30

// member appends a member that is not an object's first.
func member(dst []byte, key string) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	return append(dst, `":`...)
}

// memberString appends a member that is a string.
func memberString[T ~string | ~[]byte](dst []byte, key string, v T) []byte {
	return strictjson.AppendString(member(dst, key), v)
}

// memberRaw appends a member if there is a value for it.
func memberRaw(dst []byte, key string, raw []byte) []byte {
	if raw == nil {
		return dst
	}
	return append(member(dst, key), raw...)
}

// memberBool appends a member if it was said.
func memberBool(dst []byte, key string, v tri) []byte {
	if v == unsaid {
		return dst
	}
	return strconv.AppendBool(member(dst, key), v == yes)
}

func memberInt(dst []byte, key string, v int64) []byte {
	return strconv.AppendInt(member(dst, key), v, 10)
}

// comma appends a comma unless dst ends where something begins.
func comma(dst []byte) []byte {
	if last := dst[len(dst)-1]; last == '[' || last == '{' {
		return dst
	}
	return append(dst, ',')
}

// dataURL splits a data URL with base64 content (RFC 2397) into its media type and content.
func dataURL(u []byte) (media, data []byte, ok bool) {
	const scheme, mark = "data:", ";base64,"
	if len(u) < len(scheme) || string(u[:len(scheme)]) != scheme {
		return nil, nil, false
	}
	for i := len(scheme); i < len(u) && i < 128; i++ {
		if u[i] == ';' {
			if len(u) < i+len(mark) || string(u[i:i+len(mark)]) != mark {
				return nil, nil, false
			}
			return u[len(scheme):i], u[i+len(mark):], i > len(scheme)
		}
	}
	return nil, nil, false
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
