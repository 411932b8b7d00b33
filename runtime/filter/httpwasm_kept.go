package filter

import (
	"bytes"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// kept is what handle_request left in an instance for handle_response: all that differs from the snapshot. It goes back
// into whichever instance is at hand when the answer is there, so that none is tied up while a model thinks.
type kept struct {
	size    int // of the memory, in bytes
	parts   []stretch
	globals []uint64
	ticks   uint64
	seed    uint64
}

// stretch is a piece of memory.
type stretch struct {
	at    int
	bytes []byte
}

// keptBlock is in what pieces of bytes memory is compared with the snapshot.
const keptBlock = 256

const errKept = breach("handle_request leaves more in memory for handle_response than one exchange may hold")

// keep copies out what differs from the snapshot, at most limit bytes.
func (in *instance) keep(limit int) (*kept, error) {
	snap := in.f.mod.snap.memory
	view, _ := in.mem.Read(0, in.mem.Size())
	k := &kept{size: len(view), ticks: in.call.ticks, seed: in.call.seed}
	for _, g := range in.globals {
		k.globals = append(k.globals, g.Get())
	}
	total := 0
	for from, to := range in.f.mod.info.Written(meter.Marks(in.marks.Get())|in.call.marks, len(view)) {
		for ; from < to; from += keptBlock {
			end := min(from+keptBlock, to)
			if end <= len(snap) && bytes.Equal(view[from:end], snap[from:end]) {
				continue
			}
			if total += end - from; total > limit {
				return nil, errKept
			}
			k.add(from, view[from:end])
		}
	}
	return k, nil
}

// add appends a stretch of memory.
func (k *kept) add(at int, b []byte) {
	if last := len(k.parts) - 1; last >= 0 && k.parts[last].at+len(k.parts[last].bytes) == at {
		k.parts[last].bytes = append(k.parts[last].bytes, b...)
		return
	}
	k.parts = append(k.parts, stretch{at, bytes.Clone(b)})
}

// resume puts an instance into the kept state. It reports false where that can't be done.
func (in *instance) resume(k *kept) bool {
	owner := in.owner
	if !in.restore(in.f.mod.snap) {
		return false
	}
	in.owner = owner
	if more := k.size - int(in.mem.Size()); more > 0 {
		if _, ok := in.mem.Grow(uint32(more / pageSize)); !ok {
			return false
		}
	}
	for _, p := range k.parts {
		buf, ok := in.call.writable(in.mem, uint32(p.at), uint32(len(p.bytes)))
		if !ok {
			return false
		}
		copy(buf, p.bytes)
	}
	for i, g := range in.globals {
		g.Set(k.globals[i])
	}
	in.call.ticks, in.call.seed = k.ticks, k.seed
	return true
}
