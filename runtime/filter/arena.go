package filter

import (
	"context"
	"fmt"
)

// arena is a buffer of the guest that never moves: what fits in it is written there without a call of alloc, which for each
// delta of a stream would be a second way into the guest.
type arena struct{ at, size uint32 }

// readArena asks a guest that is configured for its arena, if it has one. A module that can't be put back makes each instance
// anew, and what a guest makes when it is asked is in none but the first: there all texts go where alloc says.
func (f *Filter) readArena(ctx context.Context, in *instance) error {
	said, ok, err := in.says(ctx, arenaExport)
	if !ok || err != nil {
		return err
	}
	a := arena{at: uint32(said), size: uint32(said >> 32)}
	if _, ok := in.mem.Read(a.at, a.size); !ok || a.at == 0 || a.at%8 != 0 {
		return at(StageABI, fmt.Errorf("%s returns the address %d and the size %d: want an address in the memory, which has %d bytes, other than 0 and aligned to 8",
			arenaExport, a.at, a.size, in.mem.Size()))
	}
	if len(f.mod.unrestorable) == 0 {
		f.arena = a
	}
	return nil
}

// emptyArena takes the sample texts out of the arena, before the snapshot: a guest that looks behind its text finds zeros, and
// need not write them.
func (in *instance) emptyArena() {
	b, _ := in.mem.Read(in.f.arena.at, in.f.arena.size)
	clear(b)
}

// says asks a guest, while its filter loads, what an export without parameters returns; ok is false where it has none.
func (in *instance) says(ctx context.Context, export string) (said uint64, ok bool, err error) {
	fn := in.mod.ExportedFunction(export)
	if fn == nil {
		return 0, false, nil
	}
	in.call.ctx = ctx
	in.call.clock.start(in.f.spec.Limits.Load)
	if err := in.enter(fn, inStart); err != nil {
		return 0, true, at(StageABI, fmt.Errorf("%s: %w", export, err))
	}
	return in.stack[0], true, nil
}
