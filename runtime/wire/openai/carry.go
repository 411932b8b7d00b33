package openai

import (
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// frameKeys are the members that every event of one stream repeats.
var frameKeys = []string{"id", "object", "created", "model", "system_fingerprint", "service_tier"}

// Carry makes an event like the given one that holds text for one lane; see wire.Format. Lanes of texts that are whole
// in themselves can't be carried: nothing of them is ever held back.
func (f *format) Carry(like *wire.Event, lane wire.Lane, text []byte) (*wire.Event, error) {
	if err := f.streams(); err != nil {
		return nil, err
	}
	if lane.Choice < 0 {
		return nil, &wire.Fault{Code: wire.Internal, Message: "text outside the choices can't be carried"}
	}
	b := f.frame(make([]byte, 0, 256+len(text)), like)
	b = append(b, `"choices":[{"index":`...)
	b = strconv.AppendInt(b, int64(lane.Choice), 10)
	if f == chat {
		b = append(b, `,"delta":{`...)
		b = appendLane(b, lane, lane.Field, text)
		b = append(b, '}')
	} else {
		b = append(b, ',')
		b = appendLane(b, lane, lane.Field, text)
	}
	b = append(b, `,"finish_reason":null}]}`...)
	return f.Event(b)
}

// frame begins an object with what every event of the stream repeats.
func (f *format) frame(dst []byte, like *wire.Event) []byte {
	if like == nil || like.Doc == nil {
		return append(dst, `{"object":"`+f.chunk+`",`...)
	}
	return appendFrame(append(dst, '{'), like.Doc.Root(), f.chunk)
}

// appendFrame appends the repeated members of root, each with a comma after it.
func appendFrame(dst []byte, root strictjson.Value, object string) []byte {
	for _, key := range frameKeys {
		v := root.Get(key)
		switch {
		case key == "object":
			dst = append(dst, `"object":"`+object+`",`...)
		case v.Kind() != strictjson.Invalid:
			dst = append(dst, '"')
			dst = append(dst, key...)
			dst = append(dst, `":`...)
			dst = append(v.Append(dst), ',')
		}
	}
	return dst
}

// appendLane appends the member that the path names, with the text at its end. Elements say their index.
func appendLane(dst []byte, lane wire.Lane, path string, text []byte) []byte {
	name, _, rest := walk.Step(path)
	dst = strictjson.AppendString(dst, name)
	dst = append(dst, ':')
	return appendPlace(dst, lane, rest, text)
}

// appendPlace appends the value that the rest of a path leads to.
func appendPlace(dst []byte, lane wire.Lane, path string, text []byte) []byte {
	if path == "" {
		return strictjson.AppendString(dst, text)
	}
	_, index, rest := walk.Step(path)
	switch {
	case index < 0:
		dst = append(dst, '{')
		dst = appendLane(dst, lane, path, text)
		return append(dst, '}')
	case rest == "":
		dst = append(dst, '[')
		dst = strictjson.AppendString(dst, text)
		return append(dst, ']')
	}
	dst = append(dst, `[{"index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	dst = append(dst, ',')
	if lane.Arguments && rest == "arguments" {
		dst = append(dst, `"function":{`...)
		dst = appendLane(dst, lane, rest, text)
		return append(dst, "}}]"...)
	}
	dst = appendLane(dst, lane, rest, text)
	return append(dst, "}]"...)
}
