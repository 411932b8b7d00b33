package filter

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// WASI preview 1 for the sake of toolchains that can't do without: no files, no environment, no arguments; a clock and
// random numbers that are the same in every exchange. wazero's own WASI is not used because its clock and random source
// go on from exchange to exchange: a guest could count its calls there, out of the snapshot's reach.

// Error numbers of WASI preview 1 (wasi_snapshot_preview1, "errno").
const (
	wasiOK     = 0
	wasiBadFD  = 8
	wasiFault  = 21
	wasiNoSys  = 52
	wasiTick   = 1000 // nanoseconds by which each reading of the clock advances
	wasiEpoch  = 1767225600 * 1_000_000_000
	maxVectors = 1024
)

type wasiFunction struct {
	name, sig string
	call      func(c *call, mem api.Memory, p []uint64) uint32
}

// wasiTable is what does something. Everything else of preview 1 answers that it is not supported.
var wasiTable = [...]wasiFunction{
	{"args_get", "ii:i", func(*call, api.Memory, []uint64) uint32 { return wasiOK }},
	{"args_sizes_get", "ii:i", wasiNone},
	{"environ_get", "ii:i", func(*call, api.Memory, []uint64) uint32 { return wasiOK }},
	{"environ_sizes_get", "ii:i", wasiNone},
	{"clock_time_get", "iIi:i", wasiClock},
	{"random_get", "ii:i", wasiRandom},
	{"fd_write", "iiii:i", wasiWrite},
	{"fd_prestat_get", "ii:i", func(*call, api.Memory, []uint64) uint32 { return wasiBadFD }},
	{"sched_yield", ":i", func(*call, api.Memory, []uint64) uint32 { return wasiOK }},
	{"proc_exit", "i:", wasiExit},
}

// wasiOthers are the names that are answered with "not supported".
var wasiOthers = []string{
	"clock_res_get", "fd_advise", "fd_allocate", "fd_close", "fd_datasync", "fd_fdstat_get", "fd_fdstat_set_flags",
	"fd_fdstat_set_rights", "fd_filestat_get", "fd_filestat_set_size", "fd_filestat_set_times", "fd_pread",
	"fd_prestat_dir_name", "fd_pwrite", "fd_read", "fd_readdir", "fd_renumber", "fd_seek", "fd_sync", "fd_tell",
	"path_create_directory", "path_filestat_get", "path_filestat_set_times", "path_link", "path_open", "path_readlink",
	"path_remove_directory", "path_rename", "path_symlink", "path_unlink_file", "poll_oneoff", "proc_raise",
	"sock_accept", "sock_recv", "sock_send", "sock_shutdown",
}

// wasiKnows tells whether an import can be provided. Functions that only say they are not supported take any signature
// whose result is an error number.
func wasiKnows(name, sig string) bool {
	for i := range wasiTable {
		if wasiTable[i].name == name {
			return wasiTable[i].sig == sig
		}
	}
	return slices.Contains(wasiOthers, name) && len(sig) > 2 && sig[len(sig)-2:] == ":i"
}

// provideWASI instantiates just the functions that the module imports.
func (m *module) provideWASI(ctx context.Context) error {
	b := m.rt.NewHostModuleBuilder(wasiModule)
	for _, im := range m.info.Imports {
		if im.Module != wasiModule || im.Kind != meter.Func {
			continue
		}
		w := &wasiFunction{im.Name, sig(im.Func), func(*call, api.Memory, []uint64) uint32 { return wasiNoSys }}
		for i := range wasiTable {
			if wasiTable[i].name == im.Name {
				w = &wasiTable[i]
			}
		}
		params, results := valueTypes(w.sig)
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(w.enter), params, results).Export(w.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

func (w *wasiFunction) enter(ctx context.Context, mod api.Module, stack []uint64) {
	c := ctx.(*call)
	c.tick()
	if c.stage == inAlloc {
		c.fail(breach(w.name + " is called in alloc"))
	}
	errno := w.call(c, mod.Memory(), stack)
	if len(stack) > 0 {
		stack[0] = uint64(errno)
	}
}

// wasiNone reports zero strings of zero bytes.
func wasiNone(c *call, mem api.Memory, p []uint64) uint32 {
	if !c.put32(mem, p[0], 0) || !c.put32(mem, p[1], 0) {
		return wasiFault
	}
	return wasiOK
}

func (c *call) put32(mem api.Memory, ptr uint64, v uint32) bool {
	b, ok := c.writable(mem, uint32(ptr), 4)
	if ok {
		binary.LittleEndian.PutUint32(b, v)
	}
	return ok
}

// wasiClock is every clock: it starts at 2026-01-01 in each exchange and advances with each reading.
func wasiClock(c *call, mem api.Memory, p []uint64) uint32 {
	c.ticks++
	b, ok := c.writable(mem, uint32(p[2]), 8)
	if !ok {
		return wasiFault
	}
	binary.LittleEndian.PutUint64(b, wasiEpoch+c.ticks*wasiTick)
	return wasiOK
}

// wasiRandom fills with SplitMix64 (Steele, Lea, Flood 2014), from the same seed in each exchange. Nothing that needs
// secret numbers may be built on it.
func wasiRandom(c *call, mem api.Memory, p []uint64) uint32 {
	buf, ok := c.writable(mem, uint32(p[0]), uint32(p[1]))
	if !ok {
		return wasiFault
	}
	c.clock.owed += time.Duration(len(buf)) * hostByte
	var word [8]byte
	for i := 0; len(buf) > 0; i++ {
		if i%(windowSize/len(word)) == 0 {
			c.check()
		}
		c.seed += 0x9e3779b97f4a7c15
		z := c.seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(word[:], z^z>>31)
		buf = buf[copy(buf[:min(len(buf), 8)], word[:]):]
	}
	return wasiOK
}

// wasiWrite swallows what is written to the standard streams.
func wasiWrite(c *call, mem api.Memory, p []uint64) uint32 {
	if fd := uint32(p[0]); fd != 1 && fd != 2 {
		return wasiBadFD
	}
	if uint32(p[2]) > maxVectors {
		return wasiFault
	}
	var n uint32
	for i := range uint32(p[2]) {
		size, ok := mem.ReadUint32Le(uint32(p[1]) + 8*i + 4)
		if !ok {
			return wasiFault
		}
		n += size
	}
	if !c.put32(mem, p[3], n) {
		return wasiFault
	}
	return wasiOK
}

func wasiExit(c *call, _ api.Memory, _ []uint64) uint32 {
	c.fail(breach("it calls proc_exit"))
	return wasiOK
}
