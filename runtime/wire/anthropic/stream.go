package anthropic

import (
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// Carry makes an event that adds text to one lane; see wire.Format. Lanes of texts that are whole in themselves can't be
// carried: nothing of them is ever held back.
func (f *format) Carry(_ *wire.Event, lane wire.Lane, text []byte) (*wire.Event, error) {
	if err := f.streaming(); err != nil {
		return nil, err
	}
	if lane.Choice < 0 {
		return nil, &wire.Fault{Code: wire.Internal, Message: "text outside the content blocks can't be carried"}
	}
	index, member := lane.Choice-1, lane.Field
	if lane.Choice == 0 { // the text of the part that the field names
		_, part, _ := walk.PartOf(lane.Field)
		index, member = part, "text"
	}
	b := appendDelta(make([]byte, 0, 96+len(text)), index, member)
	b = strictjson.AppendString(b, text)
	return f.Event(append(b, "}}"...))
}

// appendDelta appends a content_block_delta up to the value of the member that holds what it adds.
func appendDelta(dst []byte, index int, member string) []byte {
	dst = append(dst, `{"type":"content_block_delta","index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	dst = append(dst, `,"delta":{"type":`...)
	dst = strictjson.AppendString(dst, deltas[member])
	dst = append(dst, ',')
	dst = strictjson.AppendString(dst, member)
	return append(dst, ':')
}
