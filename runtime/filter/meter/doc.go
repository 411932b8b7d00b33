// Package meter rewrites a WebAssembly module so that a host can bound what it
// spends: every stretch of code takes its fuel off a counter and, when a slice of
// fuel runs out, the guest calls the host for the next one. It is pure bytes to bytes and
// knows no runtime; the engine in package filter gives the fuel its meaning.
//
// A guest compiled to machine code can't be preempted: while it spins, the
// garbage collector and with it every other goroutine waits. The call for the
// next slice is therefore a safepoint as much as a limit.
//
// # What the host must provide
//
// The rewritten module imports one function more than the original, as the last
// import: Info.RefillModule, Info.RefillName, of type (debt i64) -> (grant i64).
//
//   - It is called when the counter has fallen below zero, before anything more
//     is spent: at function entries, loop headers, before bulk operations, and
//     now and then in long straight code.
//   - debt is the count of units used beyond the slice that was granted last,
//     always 1 or more. A bulk operation is charged before it runs, so a debt
//     may be large (a fill of 1 GiB is 67 million units) for work not yet done.
//     The units used since the last grant are that grant plus debt.
//   - The returned grant is the new content of the counter: the debt is settled
//     and NOT taken off again. It should be 1 or more; a grant of zero or less
//     leads to another call at the next safepoint.
//   - To stop the guest, the function does not return: it panics, which wazero
//     turns into an error of the guest's call. The instance is then worth
//     nothing more.
//
// A module that imports anything from RefillModule by itself is refused: it
// could otherwise grant itself fuel or report a negative debt.
//
// # The exported globals
//
// Info.FuelGlobalExport is the counter, a mutable i64, 0 in a fresh instance
// (so that a start function asks for its first slice at once). The host may set
// it before a call: the first slice then needs no call to the host. After a call
// it holds what is left of the last grant; below zero it is a debt that no
// refill has been told of, at most that of one path without a safepoint. So
//
//	spent = grants given - counter after the call
//
// where a refill adds its debt argument to what was given. After a trap the
// counter is stale, because functions keep it in a local between calls.
//
// Info.Globals are the module's own mutable globals of number types, each
// exported under a fresh name, so that the host can take a snapshot of them and
// put it back. The counter is not among them. Info.Unrestorable tells what such
// a snapshot, together with one of the linear memory, would miss; if it is not
// empty the instance can't be used for a second exchange. Fresh names begin
// with a prefix that no export of the original begins with.
//
// # The marks
//
// Info.MarkGlobalExport tells what the guest has written to its memory: a mutable
// i64, 0 in a fresh instance. Each store sets the bit of the granule that it
// begins in, each memory.fill, memory.copy and memory.init those of all that it
// covers; the guest can't name the global. Info.Written turns the marks into
// ranges of bytes. A host that has a snapshot puts back those, clears the marks,
// and has the snapshot again: it marks what it writes to the memory by itself
// (Info.Mark), and treats all of a fresh instance as written. That data segments
// are copied in at instantiation is not marked, nor what others write to a memory
// that is imported.
//
// # Units
//
// One unit is about one simple instruction (0.1 to 0.6 ns in ordinary code, much
// more in a chain of cache misses); calls, divisions and the like count for more;
// see the cost tables. Bulk operations cost one unit for 16 bytes or 2 table
// elements, memory.grow 4,096 units for a page, counted by their length at run
// time. Code is paid for ahead: an early way out of it has paid up to 64 units
// too much, never too little. The units of a run depend on the module and its
// input alone, not on how the slices fall.
//
// # What is refused
//
// What can't be metered or put back safely: more than one memory, 64-bit
// memories, shared memories and atomics, exceptions, garbage-collected and typed
// function references, relaxed SIMD, and whatever else is not in the WebAssembly
// 2.0 core with tail calls and extended constant expressions. An Error says
// where and why. Rewrite reads all of a module's structure with bounds checks,
// but does not type-check code: the runtime still validates what comes out.
package meter
