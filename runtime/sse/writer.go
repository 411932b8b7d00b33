package sse

import "bytes"

// AppendData appends an event that has data alone.
func AppendData(dst, data []byte) []byte {
	dst = appendField(dst, "data", data)
	return append(dst, '\n')
}

// AppendEvent appends an event with a name and data. An empty name is left out.
func AppendEvent(dst []byte, name string, data []byte) []byte {
	if name != "" {
		dst = append(dst, "event: "...)
		dst = appendWord(dst, name)
		dst = append(dst, '\n')
	}
	return AppendData(dst, data)
}

// AppendComment appends a comment: a line that readers pass over, such as keeps a quiet connection open.
func AppendComment(dst []byte, text string) []byte {
	dst = append(dst, ": "...)
	dst = appendWord(dst, text)
	return append(dst, "\n\n"...)
}

// appendField appends one line for each line of the value. Carriage returns end lines too, so a reader gets them back
// as line feeds.
func appendField(dst []byte, name string, value []byte) []byte {
	for {
		end := lineEnd(value)
		dst = append(dst, name...)
		dst = append(dst, ": "...)
		if end < 0 {
			dst = append(dst, value...)
			return append(dst, '\n')
		}
		dst = append(dst, value[:end]...)
		dst = append(dst, '\n')
		if value[end] == '\r' && end+1 < len(value) && value[end+1] == '\n' {
			end++
		}
		value = value[end+1:]
	}
}

// lineEnd is where the first line ends, or -1. Most values are one line, which two fast searches find out.
func lineEnd(value []byte) int {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return -1
	}
	return bytes.IndexAny(value, "\r\n")
}

// appendWord appends text that must stay on one line: line ends in it become spaces.
func appendWord(dst []byte, text string) []byte {
	for i := range len(text) {
		c := text[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}
