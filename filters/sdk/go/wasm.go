//go:build wasip1

package sluice

import (
	"runtime"
	"unsafe"
)

// The imports and exports of the ABI. Text crosses as pointer and length.

//go:wasmimport sluice redact
func importRedact(start, end uint32, kind unsafe.Pointer, n uint32) int32

//go:wasmimport sluice redact_open
func importRedactOpen(start uint32, kind unsafe.Pointer, n uint32) int32

//go:wasmimport sluice redact_close
func importRedactClose(end uint32) int32

//go:wasmimport sluice replace
func importReplace(start, end uint32, text unsafe.Pointer, n uint32) int32

//go:wasmimport sluice next_state
func importNextState(word uint64) int32

//go:wasmimport sluice set
func importSet(name unsafe.Pointer, n uint32, json unsafe.Pointer, m uint32) int32

//go:wasmimport sluice message
func importMessage(where, role uint32, text unsafe.Pointer, n uint32) int32

//go:wasmimport sluice label
func importLabel(key unsafe.Pointer, n uint32, value unsafe.Pointer, m uint32) int32

//go:wasmimport sluice reject
func importReject(code unsafe.Pointer, n uint32, message unsafe.Pointer, m uint32) int32

//go:wasmimport sluice get
func importGet(key unsafe.Pointer, n uint32, buf unsafe.Pointer, limit uint32) int32

//go:wasmimport sluice log
func importLog(level uint32, text unsafe.Pointer, n uint32) int32

func at(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

func hostRedact(start, end uint32, kind string) {
	p, n := at(kind)
	importRedact(start, end, p, n)
}

func hostRedactOpen(start uint32, kind string) {
	p, n := at(kind)
	importRedactOpen(start, p, n)
}

func hostRedactClose(end uint32) { importRedactClose(end) }

func hostReplace(start, end uint32, text string) {
	p, n := at(text)
	importReplace(start, end, p, n)
}

func hostNextState(word uint64) { importNextState(word) }

func hostSet(name, json string) {
	p, n := at(name)
	q, m := at(json)
	importSet(p, n, q, m)
}

func hostMessage(where, role uint32, text string) {
	p, n := at(text)
	importMessage(where, role, p, n)
}

func hostLabel(key, value string) {
	p, n := at(key)
	q, m := at(value)
	importLabel(p, n, q, m)
}

func hostReject(code, message string) {
	p, n := at(code)
	q, m := at(message)
	importReject(p, n, q, m)
}

func hostLog(level uint32, text string) {
	p, n := at(text)
	importLog(level, p, n)
}

func hostGet(key string, buf []byte) int32 {
	p, n := at(key)
	return importGet(p, n, unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
}

// buffer is what alloc gave out last; it keeps the memory reachable until the hook returns.
var buffer []byte

//go:wasmexport sluice_abi_v1
func exportABI() uint32 { return registered.hooks() }

//go:wasmexport alloc
func exportAlloc(n uint32) unsafe.Pointer {
	if int(n) > cap(buffer) || buffer == nil {
		buffer = make([]byte, max(n, 4096))
	}
	return unsafe.Pointer(unsafe.SliceData(buffer))
}

//go:wasmexport on_config
func exportConfig(p unsafe.Pointer, n uint32) uint32 { return registered.configure(view(p, n)) }

//go:wasmexport on_text
func exportText(p unsafe.Pointer, n, flags uint32, state uint64) int64 {
	return show(view(p, n), flags, state)
}

//go:wasmexport on_request
func exportRequest(p unsafe.Pointer, n uint32) uint32 { return run(registered.OnRequest, view(p, n)) }

//go:wasmexport on_response
func exportResponse(p unsafe.Pointer, n uint32) uint32 { return run(registered.OnResponse, view(p, n)) }

//go:wasmexport byte_classes
func exportClasses() unsafe.Pointer {
	registered.classify()
	return unsafe.Pointer(&classes)
}

func view(p unsafe.Pointer, n uint32) []byte {
	defer runtime.KeepAlive(buffer)
	return unsafe.Slice((*byte)(p), n)
}
