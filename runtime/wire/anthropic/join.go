package anthropic

import (
	"slices"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// Join makes the whole answer of a complete stream's events; see wire.Format. Texts are put end to end, block by block;
// the input of a tool is read from its text.
func (f *format) Join(events []*wire.Event) (*wire.Answer, error) {
	if err := f.streaming(); err != nil {
		return nil, err
	}
	j := joined{usage: map[string][]byte{}}
	for _, ev := range events {
		if ev.Error {
			return nil, walk.Misread("the model server's stream reports a failure")
		}
		if ev.Doc != nil {
			j.event(ev.Doc.Root())
		}
	}
	if j.head.Kind() != strictjson.Object {
		return nil, walk.Misread("the model server's stream has no message_start")
	}
	b, err := j.append(nil)
	if err != nil {
		return nil, err
	}
	return f.Answer(b)
}

// joined is a message being put together. Its values are those of the events.
type joined struct {
	head   strictjson.Value // the message as it began
	last   strictjson.Value // what its end adds to it
	blocks []*joinedBlock
	usage  map[string][]byte // the last report of each count
	counts []string          // their names, in order
}

// joinedBlock is a content block being put together.
type joinedBlock struct {
	index int64
	start strictjson.Value
	texts map[string][]byte // what deltas add, by member
	cites [][]byte
}

func (j *joined) event(root strictjson.Value) {
	index, _ := root.Get("index").Int64()
	switch kindOf(root.Get("type").Bytes()) {
	case messageStart:
		j.head = root.Get("message")
		j.use(j.head.Get("usage"))
	case blockStart:
		j.block(index).start = root.Get("content_block")
	case blockDelta:
		j.block(index).add(root.Get("delta"))
	case messageDelta:
		j.last = root.Get("delta")
		j.use(root.Get("usage"))
	}
}

func (j *joined) use(usage strictjson.Value) {
	usage.Members(func(key string, v strictjson.Value) bool {
		if v.Kind() == strictjson.Null && j.usage[key] != nil {
			return true
		}
		if j.usage[key] == nil {
			j.counts = append(j.counts, key)
		}
		j.usage[key] = v.Append(nil)
		return true
	})
}

func (j *joined) block(index int64) *joinedBlock {
	for _, b := range j.blocks {
		if b.index == index {
			return b
		}
	}
	b := &joinedBlock{index: index, texts: map[string][]byte{}}
	j.blocks = append(j.blocks, b)
	return b
}

func (b *joinedBlock) add(delta strictjson.Value) {
	delta.Members(func(key string, v strictjson.Value) bool {
		switch {
		case key == "type":
		case key == "citation":
			b.cites = append(b.cites, v.Append(nil))
		case v.Kind() == strictjson.String:
			b.texts[key] = append(b.texts[key], v.Bytes()...)
		}
		return true
	})
}

// append appends the message.
func (j *joined) append(dst []byte) ([]byte, error) {
	slices.SortStableFunc(j.blocks, func(a, b *joinedBlock) int { return int(a.index - b.index) })
	o := object{dst: append(dst, '{')}
	j.head.Members(func(key string, v strictjson.Value) bool {
		if key != "content" && key != "usage" && j.last.Get(key).Kind() == strictjson.Invalid {
			o.member(key, v.Append(nil))
		}
		return true
	})
	o.key("content")
	o.dst = append(o.dst, '[')
	for i, b := range j.blocks {
		if i > 0 {
			o.dst = append(o.dst, ',')
		}
		var err error
		if o.dst, err = b.append(o.dst); err != nil {
			return nil, err
		}
	}
	o.dst = append(o.dst, ']')
	j.last.Members(func(key string, v strictjson.Value) bool {
		o.member(key, v.Append(nil))
		return true
	})
	if len(j.counts) > 0 {
		o.key("usage")
		u := object{dst: append(o.dst, '{')}
		for _, key := range j.counts {
			u.member(key, j.usage[key])
		}
		o.dst = append(u.dst, '}')
	}
	return append(o.dst, '}'), nil
}

// append appends the block.
func (b *joinedBlock) append(dst []byte) ([]byte, error) {
	o := object{dst: append(dst, '{')}
	b.start.Members(func(key string, v strictjson.Value) bool {
		switch {
		case key == "input" && len(b.texts["partial_json"]) > 0:
		case key == "citations" && len(b.cites) > 0:
		case b.texts[key] != nil && v.Kind() == strictjson.String:
			o.member(key, strictjson.AppendString(nil, append(slices.Clone(v.Bytes()), b.texts[key]...)))
		default:
			o.member(key, v.Append(nil))
		}
		return true
	})
	for _, key := range []string{"text", "thinking", "content", "encrypted_content", "signature"} {
		if b.texts[key] != nil && b.start.Get(key).Kind() != strictjson.String {
			o.member(key, strictjson.AppendString(nil, b.texts[key]))
		}
	}
	if input := b.texts["partial_json"]; len(input) > 0 {
		doc, err := strictjson.Parse(input, strictjson.Limits{MaxBytes: len(input)})
		if err != nil {
			return nil, walk.Misread("the input of a tool, as the model server streamed it, is not JSON")
		}
		doc.Release()
		o.member("input", input)
	}
	if len(b.cites) > 0 {
		o.key("citations")
		o.dst = append(o.dst, '[')
		b.start.Get("citations").Elements(func(_ int, v strictjson.Value) bool {
			o.dst = append(v.Append(o.dst), ',')
			return true
		})
		for i, c := range b.cites {
			if i > 0 {
				o.dst = append(o.dst, ',')
			}
			o.dst = append(o.dst, c...)
		}
		o.dst = append(o.dst, ']')
	}
	return append(o.dst, '}'), nil
}

// object is an object being written.
type object struct {
	dst  []byte
	some bool
}

func (o *object) key(key string) {
	if o.some {
		o.dst = append(o.dst, ',')
	}
	o.some = true
	o.dst = append(strictjson.AppendString(o.dst, key), ':')
}

func (o *object) member(key string, raw []byte) {
	o.key(key)
	o.dst = append(o.dst, raw...)
}
