package filter

import (
	"slices"
	"strings"
)

// The hostile corpus is put together from instructions here, so that each module does one thing, and does it only when
// it is set off: it must get through its load first.

// hurt sets a module off: its first byte does that of on_text, its length that of alloc.
const hurt = "!hurtme"

// Where modules have their strings and a buffer, above the window.
const (
	stringsAt = 100_000
	bufferAt  = 110_000
)

// blob is the strings that modules name.
const blob = "email|block|redacted.email|a\r\nb|true|principal.tenant|No Kind|\"other\"|not json|operation|kkk|model|\xff\xfe|stop|no\nyes|0"

// str pushes address and length of a string.
func str(s string) []byte {
	i := strings.Index(blob, s)
	if i < 0 {
		panic(s + " is not in the blob")
	}
	return cat(num(stringsAt+i), num(len(s)))
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Instructions.
var (
	drop      = []byte{0x1a}
	trap      = []byte{0x00}
	size      = []byte{0x20, 1}       // the hook's length
	settleAll = []byte{0x20, 1, 0xad} // and it as the result of on_text
	back      = []byte{0x0f}
)

func num(n int) []byte    { return address(n) }
func get(i byte) []byte   { return []byte{0x20, i} }
func callTo(i int) []byte { return append([]byte{0x10}, leb(i)...) }

// loop repeats for ever.
func loop(body ...[]byte) []byte { return cat([]byte{0x03, 0x40}, cat(body...), []byte{0x0c, 0, 0x0b}) }

func when(condition []byte, body ...[]byte) []byte {
	return cat(condition, []byte{0x04, 0x40}, cat(body...), []byte{0x0b})
}

// settle ends on_text with the length and so much more.
func settle(more byte) []byte { return cat(settleAll, []byte{0x42, more & 0x7f, 0x7c}, back) }

func fill(at, n int) []byte { return cat(num(at), num(7), num(n), []byte{0xfc, 11, 0}) }

// Conditions.
var (
	setOff  = cat(get(0), []byte{0x2d, 0, 0}, num('!'), []byte{0x46}) // the text begins with '!'
	hasLeft = cat(get(2), num(0xff0000), []byte{0x71})                // there is left context
	isHurt  = cat(get(0), num(len(hurt)), []byte{0x46})               // in alloc: of the length of hurt
	isBody  = cat(size, num(len(bodyOf(hurt))), []byte{0x46})         // in on_request: of a request that says it
	isLong  = cat(size, num(1000), []byte{0x4b})                      // in on_response
	hookOf  = map[string][]byte{"on_request": isBody, "on_response": isLong}
)

func bodyOf(text string) string {
	return `{"model":"m","messages":[{"role":"user","content":"` + text + `"}]}`
}

// builder is a module with functions of the host imported by name: "sluice.redact", "wasi_snapshot_preview1.random_get".
func builder(imports ...string) *asm {
	a := &asm{with: map[byte][]byte{11: append([]byte{1, 0}, cat(num(stringsAt), []byte{0x0b}, named(blob))...)}}
	for _, im := range imports {
		module, name, _ := strings.Cut(im, ".")
		sig := ""
		for _, h := range hostTable {
			if module == hostModule && h.name == name {
				sig = h.sig
			}
		}
		for _, w := range wasiTable {
			if module == wasiModule && w.name == name {
				sig = w.sig
			}
		}
		a.imp(module, name, sig)
	}
	return a.memory()
}

// onText is a module whose on_text does something when a condition holds, and settles all otherwise.
func onText(condition []byte, body []byte, imports ...string) *asm {
	return builder(imports...).fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", i32(16)...).
		fn("on_text", "iiiI:I", cat(when(condition, body), settleAll)...)
}

// third is the index of the first function that is added to onText, whose imports are so many.
func third(imports int) int { return imports + 3 }

// onBody is a module whose on_request or on_response does something.
func onBody(hook string, body []byte, imports ...string) *asm {
	bits := map[string]byte{"on_request": 4, "on_response": 8}[hook]
	return builder(imports...).fn("sluice_abi_v1", ":i", i32(bits)...).fn("alloc", "i:i", i32(16)...).
		fn(hook, "ii:i", cat(when(hookOf[hook], body), i32(0))...)
}

// allocating is a module whose alloc does something for one length.
func allocating(body []byte, imports ...string) *asm {
	return builder(imports...).fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", cat(when(isHurt, body), i32(16))...).
		fn("on_text", "iiiI:I", settleAll...)
}

// section is a section of a module put together by hand.
func section(id byte, content ...byte) []byte {
	return append(append([]byte{id}, leb(len(content))...), content...)
}

// raw is a module of sections.
func raw(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), cat(sections...)...)
}
