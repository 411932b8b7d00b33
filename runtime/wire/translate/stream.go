package translate

import (
	"fmt"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// Stream is a streamed answer under translation. It is not safe for concurrent use.
type Stream struct {
	reader eventReader
	writer eventWriter
	take   func(delta) error
	queue  queue
	model  []byte // for a stream that does not name its own
	begun  bool
	over   bool
}

// step writes one step. A stream begins once, at the latest before its first step, and nothing follows its end.
func (s *Stream) step(d delta) error {
	switch {
	case s.over, s.begun && d.happening == begins:
		return errOrder
	case d.happening == begins && len(d.model) == 0:
		d.model = s.model
	case !s.begun && d.happening != begins:
		if err := s.writer.write(&s.queue, delta{happening: begins, model: s.model}); err != nil {
			return err
		}
	}
	s.begun, s.over = true, d.happening == terminates
	return s.writer.write(&s.queue, d)
}

// Event takes the data of one event of the model server's; Next gives what comes of it. An error says that the stream is
// broken, or that the model server reports a failure in it; it holds no word of the model server's.
func (s *Stream) Event(data []byte) error {
	s.queue.reset()
	if isDone(data) {
		return s.reader.read(data, strictjson.Value{}, s.take)
	}
	reply, err := strictjson.ReadReply(data)
	if err != nil {
		return fmt.Errorf("an event cannot be read: %w", err)
	}
	defer reply.Release()
	return s.reader.read(nil, reply.Root(), s.take)
}

// isDone tells whether an event's data is the word that ends the OpenAI API's streams.
func isDone(data []byte) bool {
	for len(data) > 0 && data[0] == ' ' {
		data = data[1:]
	}
	return len(data) >= 6 && string(data[:6]) == "[DONE]"
}

// Next gives the data of the next event for the caller, valid until the next call of Event; false when more of the model
// server's events are needed.
func (s *Stream) Next() ([]byte, bool) { return s.queue.pop() }

// Ready tells whether Next has an event.
func (s *Stream) Ready() bool { return s.queue.next < len(s.queue.ends) }
