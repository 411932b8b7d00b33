package pipeline

import (
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// Frames of all sizes stay as they were, whatever is written behind them, and room is made for few of them.
func TestFrame(t *testing.T) {
	var p producer
	var frames [][]byte
	var want []string
	rooms, room := 0, &[]byte{0}[0]
	for i := range 400 {
		size := []int{10, 300, 1_000, 700, 3_000, 5_000, 40, 20_000, 4_000}[i%9]
		text := `"` + strings.Repeat(string(rune('a'+i%26)), size) + `"`
		doc, err := strictjson.ReadReply([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		frames, want = append(frames, p.frame(doc)), append(want, text)
		doc.Release()
		if cap(p.room) > 0 && &p.room[:1][0] != room {
			rooms, room = rooms+1, &p.room[:1][0]
		}
	}
	for i, f := range frames {
		if string(f) != want[i] || cap(f) > len(f) && len(want[i]) <= mostRoom/4 {
			t.Errorf("frame %d of %d bytes is %d of %d now", i, len(want[i]), len(f), cap(f))
		}
	}
	if most := 4 + 400*9_100/9/(mostRoom-mostRoom/4); rooms > most {
		t.Errorf("%d rooms for 400 frames, want %d at most", rooms, most)
	}
}
