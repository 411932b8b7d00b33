package main

import (
	"runtime"
	"syscall"
)

// hugeHeap is how much of the heap is to lie on huge pages, in bytes: what a gateway with some hundred open streams holds.
const hugeHeap = 64 << 20

// useHugePages asks the kernel for huge pages under the heap that the gateway will use: the memory of one stream is spread
// over some forty pages, so that with a few hundred of them most accesses miss the processor's table of pages. Go has no
// word for it, but takes free memory from the lowest address first and leaves mappings as they are: what is allocated
// here, advised about and let go untouched is what the heap grows into. Where the kernel gives no huge pages nothing
// changes. See madvise(2), MADV_HUGEPAGE.
func useHugePages() {
	room := make([]byte, hugeHeap)
	_ = syscall.Madvise(room, syscall.MADV_HUGEPAGE) // an advice
	room = nil
	runtime.GC() // before the heap grows beyond it
}
