package walk

import (
	"strconv"
	"strings"
)

// fields are the names of lanes that are common, so that reading an event makes no string.
var fields = commonFields()

func commonFields() map[string]string {
	m := map[string]string{}
	for name := range strings.FieldsSeq("content text refusal reasoning_content reasoning function_call.arguments thinking partial_json") {
		m[name] = name
	}
	for i := range 16 {
		name := "tool_calls." + strconv.Itoa(i) + ".arguments"
		m[name] = name
	}
	return m
}

func field(path []byte) string {
	if name, ok := fields[string(path)]; ok {
		return name
	}
	return string(path)
}

// Paths: names and indexes joined by dots. In a name a dot is ~1 and a tilde ~0, and one that begins with a digit is
// preceded by ~2, so that a path reads back as what it was made of.

func appendName(path []byte, name string) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	if name == "" || '0' <= name[0] && name[0] <= '9' {
		path = append(path, "~2"...)
	}
	for i := range len(name) {
		switch c := name[i]; c {
		case '.':
			path = append(path, "~1"...)
		case '~':
			path = append(path, "~0"...)
		default:
			path = append(path, c)
		}
	}
	return path
}

func appendIndex(path []byte, i int) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	return strconv.AppendInt(path, int64(i), 10)
}

var unescape = strings.NewReplacer("~2", "", "~1", ".", "~0", "~")

// Step reads the first name or index of a path; index is -1 for a name.
func Step(path string) (name string, index int, rest string) {
	name, rest, _ = strings.Cut(path, ".")
	if name != "" && '0' <= name[0] && name[0] <= '9' {
		if n, err := strconv.Atoi(name); err == nil {
			return "", n, rest
		}
	}
	return unescape.Replace(name), -1, rest
}

// PartOf takes the path of a part's text apart: content.1.text, or content.1 where the part is a string, is part 1 of
// content.
func PartOf(path string) (content string, part int, ok bool) {
	rest, object := strings.CutSuffix(path, ".text")
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 || !object && rest[:dot] != "content" {
		return "", 0, false
	}
	part, err := strconv.Atoi(rest[dot+1:])
	return rest[:dot], part, err == nil
}
