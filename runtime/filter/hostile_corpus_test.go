package filter

import (
	"bytes"
	"strconv"
	"strings"
)

// foe is one module of the hostile corpus and what becomes of it.
type foe struct {
	name   string
	module []byte
	stage  string // at which it is refused when it is loaded; "": it loads, and misbehaves in an exchange
	want   string // what the error says
	code   string // how the exchange ends: "" is filter_failed, "ok" that it can do no harm
	text   string // what sets it off, if it is not hurt
	hook   string // "answer": it misbehaves on an answer
}

// corpus is every hostile module that there is.
func corpus() []foe {
	return append(append(append(append(spinners(), traps()...), liars()...), bombs()...), malformed()...)
}

// spinners do not end by themselves.
func spinners() []foe {
	tree := onText(setOff, callTo(third(0)+40)).fn("t0", ":")
	for i := range 40 {
		tree.fn("t"+string(rune('A'+i)), ":", cat(callTo(third(0)+i), callTo(third(0)+i))...)
	}
	f := third(0)
	return []foe{
		{name: "spin", module: onText(setOff, loop()).bytes(), want: "on_text: its budget"},
		{name: "spin by table", module: onText(setOff, []byte{0x03, 0x40, 0x41, 1, 0x0e, 1, 0, 0, 0x0b}).bytes(), want: "budget"},
		{name: "spin in arithmetic", module: onText(setOff, loop(get(3), []byte{0x42, 7, 0x7f, 0x21, 3})).bytes(), want: "budget"},
		{name: "fill all memory for ever", module: onText(setOff, loop(fill(0, 3*pageSize))).bytes(), want: "budget"},
		{name: "copy all memory for ever", module: onText(setOff, loop(num(1), num(0), num(3*pageSize-1), []byte{0xfc, 10, 0, 0})).bytes(), want: "budget"},
		{name: "grow by nothing for ever", module: onText(setOff, loop(num(0), []byte{0x40, 0}, drop)).bytes(), want: "budget"},
		{name: "grow by everything for ever", module: onText(setOff, loop([]byte{0x41, 0x7f, 0x40, 0}, drop)).bytes(), want: "budget"},
		{name: "endless tail calls", module: onText(setOff, callTo(f)).fn("f", ":", 0x12, byte(f)).bytes(), want: "budget"},
		{name: "exponential call tree", module: tree.bytes(), want: "budget"},
		{name: "host calls for ever", module: onText(setOff, loop(str("operation"), num(bufferAt), num(16), callTo(0), drop), "sluice.get").bytes(), want: "budget"},
		{name: "states for ever", module: onText(setOff, loop([]byte{0x42, 1}, callTo(0), drop), "sluice.next_state").bytes(), want: "budget"},
		{name: "log lines for ever", module: onText(setOff, loop(num(3), str("true"), callTo(0), drop), "sluice.log").bytes(), want: "budget"},
		{name: "the same label for ever", module: onText(setOff, loop(str("kkk"), str("true"), callTo(0), drop), "sluice.label").bytes(), want: "budget"},
		{name: "verdicts for ever", module: onText(setOff, loop(str("email"), str("true"), callTo(0), drop), "sluice.reject").bytes(), want: "budget"},
		{name: "random numbers for ever", module: onText(setOff, loop(num(0), num(3*pageSize), callTo(0), drop), wasiModule+".random_get").bytes(), want: "budget"},
		{name: "the clock for ever", module: onText(setOff, loop(num(0), []byte{0x42, 0}, num(bufferAt), callTo(0), drop), wasiModule+".clock_time_get").bytes(), want: "budget"},
		{name: "alloc spins", module: allocating(loop()).bytes(), want: "alloc: its budget"},
		{name: "on_request spins", module: onBody("on_request", loop()).bytes(), want: "on_request: its budget"},
		{name: "on_response spins", module: onBody("on_response", loop()).bytes(), want: "on_response: its budget", hook: "answer"},
		{name: "_initialize spins", module: minimal().fn("_initialize", ":", loop()...).bytes(), stage: StageABI, want: "budget"},
		{name: "the start function spins", module: withStart(loop()), stage: StageCompile, want: "budget"},
		{name: "on_config spins", module: minimal().fn("on_config", "ii:i", cat(loop(), i32(0))...).bytes(), stage: StageConfig, want: "budget"},
		{name: "byte_classes spins", module: minimal().fn("byte_classes", ":i", cat(loop(), i32(0))...).bytes(), stage: StageABI, want: "budget"},
		{name: "every text spins", module: onText(num(1), loop()).bytes(), stage: StageWarm, want: "budget"},
	}
}

// withStart is a filter with a start function.
func withStart(body []byte) []byte {
	a := minimal().fn("begin", ":", body...)
	a.with = map[byte][]byte{8: {3}}
	return a.bytes()
}

// traps end in a trap.
func traps() []foe {
	f := third(0)
	deep := onText(setOff, callTo(f)).fn("deep", ":", callTo(f)...)
	deep.locals = map[string][]byte{"deep": append([]byte{1}, append(leb(40_000), 0x7e)...)}
	indirect := onText(setOff, []byte{0x41, 0, 0x11, 3, 0})
	indirect.typ(":")
	indirect.table = true
	t := func(name string, body ...byte) foe {
		return foe{name: name, module: onText(setOff, body).bytes(), want: "on_text: it trapped"}
	}
	return []foe{
		t("unreachable", trap...),
		t("division by zero", 0x41, 1, 0x41, 0, 0x6d, 0x1a),
		t("a division that overflows", cat([]byte{0x41, 0x80, 0x80, 0x80, 0x80, 0x78, 0x41, 0x7f, 0x6d}, drop)...),
		t("a float that is no integer", 0x43, 0, 0, 0xc0, 0x7f, 0xa8, 0x1a),
		t("a load outside the memory", 0x41, 0x7f, 0x2d, 0, 0, 0x1a),
		t("a store outside the memory", 0x41, 0x7f, 0x41, 0, 0x36, 2, 0),
		t("a store whose offset goes round", 0x41, 0x7f, 0x41, 0, 0x36, 2, 0x10),
		t("a fill outside the memory", fill(pageSize, 3*pageSize)...),
		t("a copy outside the memory", cat(num(0), num(pageSize), num(3*pageSize), []byte{0xfc, 10, 0, 0})...),
		{name: "mutual recursion", module: onText(setOff, callTo(f)).fn("a", ":", callTo(f+1)...).fn("b", ":", callTo(f)...).bytes(), want: "on_text: it"},
		{name: "recursion of large frames", module: deep.bytes(), want: "on_text: it"},
		{name: "a call through an empty table", module: indirect.bytes(), want: "it trapped"},
		{name: "alloc traps", module: allocating(trap).bytes(), want: "alloc: it trapped"},
		{name: "on_request traps", module: onBody("on_request", trap).bytes(), want: "on_request: it trapped"},
		{name: "on_request says no", module: onBody("on_request", cat(i32(5), back)).bytes(), want: "on_request returned 5"},
		{name: "on_response traps", module: onBody("on_response", trap).bytes(), want: "on_response: it trapped", hook: "answer"},
		{name: "on_config traps", module: minimal().fn("on_config", "ii:i", 0).bytes(), stage: StageConfig, want: "on_config: it trapped"},
		{name: "on_config says no", module: minimal().fn("on_config", "ii:i", i32(3)...).bytes(), stage: StageConfig, want: "refuses the configuration (3)"},
		{name: "_initialize traps", module: minimal().fn("_initialize", ":", 0).bytes(), stage: StageABI, want: "_initialize: start: it trapped"},
		{name: "sluice_abi_v1 traps", module: builder().fn("sluice_abi_v1", ":i", 0).fn("alloc", "i:i", i32(16)...).bytes(), stage: StageABI, want: "sluice_abi_v1: start: it trapped"},
		{name: "byte_classes traps", module: minimal().fn("byte_classes", ":i", 0).bytes(), stage: StageABI, want: "byte_classes: start: it trapped"},
		{name: "byte_classes lie outside", module: minimal().fn("byte_classes", ":i", 0x41, 0x7f).bytes(), stage: StageABI, want: "no 256 bytes at it"},
		{name: "the start function traps", module: withStart(trap), stage: StageCompile, want: "it trapped"},
		{name: "every text traps", module: onText(num(1), trap).bytes(), stage: StageWarm, want: "it trapped"},
		{name: "it exits", module: onText(setOff, cat(num(0), callTo(0)), wasiModule+".proc_exit").bytes(), want: "calls proc_exit"},
	}
}

// liars say what is not so.
func liars() []foe {
	redact := func(name, want string, start, end []byte) foe {
		return foe{name: name, module: onText(setOff, cat(start, end, str("email"), callTo(0), drop), "sluice.redact").bytes(), want: want}
	}
	two := func(name, want string, spans ...int) foe {
		var body []byte
		for i := 0; i < len(spans); i += 2 {
			body = cat(body, num(spans[i]), num(spans[i+1]), str("email"), callTo(0), drop)
		}
		return foe{name: name, module: onText(setOff, body, "sluice.redact").bytes(), want: want}
	}
	settles := func(name, want, text string, condition, body []byte) foe {
		return foe{name: name, module: onText(condition, body).bytes(), want: want, text: text}
	}
	host := func(name, want, fn string, arguments ...[]byte) foe {
		return foe{name: name, module: onText(setOff, cat(cat(arguments...), callTo(0), drop), "sluice."+fn).bytes(), want: want}
	}
	long := "!" + strings.Repeat("x", 2*windowSize)
	umlauts := "!" + strings.Repeat("ü", windowSize)
	open := cat(num(0), str("block"), callTo(0), drop)
	return []foe{
		redact("a span that ends outside", "outside the window", num(0), cat(size, num(1), []byte{0x6a})),
		redact("a span of four thousand million", "ends before it starts", num(1), num(0)),
		redact("a span that starts nowhere", "outside the window", []byte{0x41, 0x7e}, []byte{0x41, 0x7f}),
		redact("an empty span", "empty span", num(2), num(2)),
		two("overlapping spans", "overlap", 0, 3, 2, 4),
		two("spans out of order", "ascending", 4, 5, 0, 1),
		two("the same span twice", "overlap", 1, 3, 1, 3),
		{name: "a span that cuts a character", module: onText(setOff, cat(num(0), num(2), str("email"), callTo(0), drop), "sluice.redact").bytes(), want: "cuts a UTF-8 sequence", text: "!ü"},
		{name: "a span in the left context", module: onText(hasLeft, cat(num(0), num(1), str("email"), callTo(0), drop), "sluice.redact").bytes(), want: "left context", text: long},
		{name: "a span beyond what is settled", module: onText(setOff, cat(num(0), size, str("email"), callTo(0), drop, settle(0x7f)), "sluice.redact").bytes(), want: "beyond what is settled"},
		settles("settles more than there is", "outside the window", "", setOff, settle(1)),
		settles("settles a negative count", "outside the window", "", setOff, cat([]byte{0x42, 0x7f}, back)),
		settles("settles the largest count", "outside the window", "", setOff, cat([]byte{0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, back)),
		settles("settles less than the end", "settle all of the text's end", "", setOff, settle(0x7f)),
		settles("settles less than the left context", "outside the window", long, hasLeft, cat([]byte{0x42, 0}, back)),
		settles("settles half a character", "half of a UTF-8 sequence", umlauts, setOff, cat([]byte{0x42, 2}, back)),
		settles("settles nothing of a full window", "settles nothing", long, setOff, cat([]byte{0x42, 0}, back)),
		{name: "opens and never closes", module: onText(setOff, open, "sluice.redact_open").bytes(), want: "left open"},
		{name: "opens twice", module: onText(setOff, cat(open, open), "sluice.redact_open").bytes(), want: "while a span is open"},
		{name: "a span without end", module: onText(setOff, open, "sluice.redact_open").bytes(), want: "longer than its limit", text: "!" + strings.Repeat("x", 8*windowSize)},
		host("closes what is not open", "no span is open", "redact_close", num(1)),
		host("a kind that is none", "a kind is not", "redact", num(0), num(1), str("No Kind")),
		host("a kind outside the memory", "outside the memory", "redact", num(0), num(1), []byte{0x41, 0x7f}, num(5)),
		host("a text that is not UTF-8", "not UTF-8", "replace", num(0), num(0), str("\xff\xfe")),
		host("a line break in a label's key", "label: key and value", "label", str("a\r\nb"), str("true")),
		host("a line break in a label's value", "label: key and value", "label", str("kkk"), str("a\r\nb")),
		host("a label that is too long", "label: key and value", "label", num(stringsAt), num(65), str("true")),
		{name: "a label of the host", module: onText(setOff, cat(str("redacted.email"), str("0"), callTo(0), drop), "sluice.label").bytes(), code: "ok"},
		host("a line break in a verdict", "reject: a code is", "reject", str("no\nyes"), str("true")),
		host("a fact that is not granted", "does not grant", "get", str("principal.tenant"), num(bufferAt), num(16)),
		host("a fact that does not exist", "does not grant", "get", str("email"), num(bufferAt), num(16)),
		host("a buffer outside the memory", "outside the memory", "get", str("operation"), num(3*pageSize-1), num(16)),
		host("a log line outside the memory", "outside the memory", "log", num(1), []byte{0x41, 0x70}, num(100)),
		host("a message in on_text", "message is called in on_text", "message", num(0), num(1), str("true")),
		host("a parameter in on_text", "set is called in on_text", "set", str("stop"), str("0")),
		{name: "a finding in on_request", module: onBody("on_request", cat(num(0), num(1), str("email"), callTo(0), drop), "sluice.redact").bytes(), want: "redact is called in on_request"},
		{name: "sets the model", module: onBody("on_request", cat(str("model"), str("\"other\""), callTo(0), drop), "sluice.set").bytes(), want: "model"},
		{name: "sets what is not JSON", module: onBody("on_request", cat(str("stop"), str("not json"), callTo(0), drop), "sluice.set").bytes(), want: "on_request: "},
		{name: "a message of a role that is none", module: onBody("on_request", cat(num(0), num(9), str("true"), callTo(0), drop), "sluice.message").bytes(), want: "the role is"},
		{name: "alloc has no memory", module: allocating(cat(num(0), back)).bytes(), want: "alloc: no memory"},
		{name: "alloc lies outside", module: allocating(cat([]byte{0x41, 0x7f}, back)).bytes(), want: "alloc: the buffer lies outside"},
		{name: "alloc crosses the end", module: allocating(cat(num(3*pageSize-3), back)).bytes(), want: "alloc: the buffer lies outside"},
		{name: "alloc logs", module: allocating(cat(num(1), str("true"), callTo(0), drop), "sluice.log").bytes(), want: "log is called in alloc"},
		{name: "alloc reads a fact", module: allocating(cat(str("operation"), num(bufferAt), num(16), callTo(0), drop), "sluice.get").bytes(), want: "get is called in alloc"},
		{name: "alloc reads the clock", module: allocating(cat(num(0), []byte{0x42, 0}, num(bufferAt), callTo(0), drop), wasiModule+".clock_time_get").bytes(), want: "clock_time_get is called in alloc"},
		{name: "announces what it has not", module: builder().fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", i32(16)...).bytes(), stage: StageABI, want: "announces on_text"},
		{name: "announces what nobody knows", module: builder().fn("sluice_abi_v1", ":i", i32(33)...).fn("alloc", "i:i", i32(16)...).bytes(), stage: StageABI, want: "a later version"},
	}
}

// bombs make much of something.
func bombs() []foe {
	grow := cat([]byte{0x03, 0x40}, num(3), []byte{0x40, 0, 0x41, 0x7f, 0x47, 0x0d, 0, 0x0b}) // until it returns -1
	table := onText(setOff, loop([]byte{0xd0, 0x70}, num(1000), []byte{0xfc, 15, 0}, drop))
	table.table = true
	kinds := onText(setOff, cat([]byte{0x03, 0x40},
		num(bufferAt), num('a'), []byte{0x3a, 0, 0},
		num(bufferAt), get(4), num(26), []byte{0x70}, num('a'), []byte{0x6a, 0x3a, 0, 1},
		num(bufferAt), get(4), num(26), []byte{0x6e}, num('a'), []byte{0x6a, 0x3a, 0, 2},
		get(4), get(4), num(1), []byte{0x6a}, num(bufferAt), num(3), callTo(0), drop,
		get(4), num(1), []byte{0x6a, 0x22, 4}, num(300), []byte{0x49, 0x0d, 0, 0x0b}), "sluice.redact")
	kinds.locals = map[string][]byte{"on_text": {1, 1, 0x7f}}
	labels := onText(setOff, cat(num(bufferAt), num('a'), num(64), []byte{0xfc, 11, 0},
		loop(get(4), num(1), []byte{0x6a, 0x21, 4}, num(bufferAt), get(4), str("true"), callTo(0), drop)), "sluice.label")
	labels.locals = kinds.locals
	return []foe{
		{name: "memory bomb", module: onText(setOff, cat(grow, trap)).bytes(), want: "on_text: it"},
		{name: "memory bomb that is filled", module: onText(setOff, cat(grow, loop(fill(0, 12*pageSize)))).bytes(), want: "budget"},
		{name: "memory taken and kept", module: onText(setOff, grow).bytes(), code: "ok"},
		{name: "table bomb", module: table.bytes(), want: "budget"},
		{name: "output bomb", module: onText(setOff, loop(num(0), num(0), num(0), num(stringsAt), callTo(0), drop), "sluice.replace").bytes(), want: "more bytes than its limit"},
		{name: "message bomb", module: onBody("on_request", loop(num(0), num(1), num(0), num(bufferAt-stringsAt), callTo(0), drop), "sluice.message").bytes(), want: "more bytes than its limit"},
		{name: "parameter bomb", module: onBody("on_request", loop(str("stop"), num(200), num(stringsAt-300), callTo(0), drop), "sluice.set").bytes(), want: "more bytes than its limit"},
		{name: "label bomb", module: labels.bytes(), want: "more labels than its limit"},
		{name: "kind bomb", module: kinds.bytes(), want: "too many", text: "!" + strings.Repeat("x", 400)},
		{name: "vectors without end", module: onText(setOff, cat(num(1), num(0), []byte{0x41, 0x7f}, num(bufferAt), callTo(0), drop), wasiModule+".fd_write").bytes(), code: "ok"},
		{name: "a large memory from the start", module: withSection(5, 1, 0, 0x81, 2), stage: StageRewrite, want: "257 memory pages at least, allowed are 16"},
		{name: "a huge memory from the start", module: withSection(5, 1, 0, 0x80, 0x80, 4), stage: StageRewrite, want: "65536 memory pages at least"},
		{name: "a huge table from the start", module: withSection(4, 1, 0x70, 0, 0xff, 0xff, 0xff, 0xff, 0x0f), stage: StageRewrite, want: "table elements at least"},
		{name: "locals without end", module: withLocals(1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f), stage: StageRewrite, want: "more than 50000 locals"},
		{name: "blocks in blocks", module: onText(setOff, nested(1000)).bytes(), code: "ok"},
		{name: "blocks in blocks without end", module: onText(setOff, nested(50_000)).bytes(), stage: StageRewrite, want: "deep in one another"},
		{name: "straight code without end", module: onText(setOff, loop(bytes.Repeat([]byte{0x41, 0, 0x1a}, 200_000))).bytes(), want: "budget"},
	}
}

// nested is blocks in one another.
func nested(n int) []byte {
	return cat(bytes.Repeat([]byte{0x02, 0x40}, n), bytes.Repeat([]byte{0x0b}, n))
}

// withSection is a filter with a section of other content.
func withSection(id byte, content ...byte) []byte {
	a := minimal()
	a.with, a.table = map[byte][]byte{id: content}, id == 4
	return a.bytes()
}

// withLocals is a filter whose on_text declares locals.
func withLocals(declaration ...byte) []byte {
	a := minimal()
	a.locals = map[string][]byte{"on_text": declaration}
	return a.bytes()
}

// malformed are no modules, or none that can be run.
func malformed() []foe {
	good := minimal().bytes()
	cut := func(n int) []byte { return good[:n] }
	abi := func() *asm { return new(asm).memory().fn("sluice_abi_v1", ":i", i32(1)...) }
	code := func(body ...byte) []byte { return onText(setOff, body).bytes() }
	m := func(name, stage, want string, module []byte) foe {
		return foe{name: name, module: module, stage: stage, want: want}
	}
	out := []foe{
		m("nothing", StageABI, "the module is empty", nil),
		m("a script", StageABI, "not WebAssembly", []byte("#!/bin/sh\nrm -rf /\n")),
		m("a cut header", StageABI, "cut off in its header", cut(6)),
		m("a component", StageABI, "it is a component", []byte("\x00asm\x0d\x00\x01\x00")),
		m("a later version", StageABI, "version is 02000000", []byte("\x00asm\x02\x00\x00\x00")),
		m("a header alone", StageABI, "does not export sluice_abi_v1", cut(8)),
		m("cut in the code", StageRewrite, "elements announced", cut(len(good)-3)),
		m("bytes behind the end", StageRewrite, "section", append(bytes.Clone(good), 0xff, 0xff, 0xff)),
		m("a section of four gigabytes", StageRewrite, "4294967295 elements announced", raw([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})),
		m("four thousand million types", StageRewrite, "elements announced", raw(section(1, 0xff, 0xff, 0xff, 0xff, 0x0f))),
		m("four thousand million functions", StageRewrite, "elements announced", raw(section(1, 1, 0x60, 0, 0), section(3, 0xff, 0xff, 0xff, 0xff, 0x0f))),
		m("a number without end", StageRewrite, "does not fit 32 bits", raw([]byte{1}, bytes.Repeat([]byte{0x80}, 100))),
		m("sections in disorder", StageRewrite, "wrong order", raw(section(3, 0), section(1, 0))),
		m("an unknown section", StageRewrite, "section 77 is unknown", raw(section(77, 0))),
		m("a body too few", StageRewrite, "are declared", withSection(10, 0)),
		m("a function of a type that is none", StageRewrite, "does not exist", withSection(3, 3, 0, 1, 99)),
		m("a code that is none", StageRewrite, "unknown", code(0xff)),
		m("code of the wrong types", StageCompile, "compile", code(0x42, 0, 0x41, 0, 0x6a, 0x1a)),
		m("code that pops too much", StageCompile, "compile", code(0x1a, 0x1a, 0x1a)),
		m("an export twice", StageCompile, "compile", minimal().fn("alloc", "i:i", i32(16)...).bytes()),
		m("several memories", StageRewrite, "multi-memory", withSection(5, 2, 0, 3, 0, 3)),
		m("a shared memory", StageRewrite, "threads", withSection(5, 1, 3, 3, 3)),
		m("a memory of 64 bits", StageRewrite, "64-bit", withSection(5, 1, 4, 3)),
		m("atomic operations", StageRewrite, "threads", code(0xfe, 0, 2, 0)),
		m("exceptions", StageRewrite, "exceptions", code(0x06, 0x40, 0x0b)),
		m("garbage-collected types", StageRewrite, "garbage-collected", raw(section(1, 1, 0x5f, 0))),
		m("typed function references", StageRewrite, "typed function references", code(0x14, 0)),
		m("stack switching", StageRewrite, "stack switching", code(0xe0, 0)),
		m("relaxed vectors", StageRewrite, "can't be metered", code(0xfd, 0x80, 2)),
		m("its own fuel", StageRewrite, "kept for the host's metering", builder("sluice_meter.refill").bytes()),
		m("a function that is none of the host's", StageABI, "the import sluice.fetch (func) is none", new(asm).imp("sluice", "fetch", "ii:i").base().bytes()),
		m("a host function of another type", StageABI, "want (i32, i32, i32, i32) -> (i32)", new(asm).imp("sluice", "redact", "ii:i").base().bytes()),
		m("a module that is none of the host's", StageABI, "the import env.abort (func) is none", new(asm).imp("env", "abort", ":").base().bytes()),
		m("files", StageABI, "the import wasi_snapshot_preview1.launch", new(asm).imp(wasiModule, "launch", "i:i").base().bytes()),
		m("alloc of another type", StageABI, "alloc is () -> (i32), want (i32) -> (i32)", abi().fn("alloc", ":i", i32(1)...).bytes()),
		m("on_text of another type", StageABI, "on_text is (i32) -> (i32), want", abi().fn("alloc", "i:i", i32(1)...).fn("on_text", "i:i", i32(1)...).bytes()),
		m("no memory", StageABI, `its memory as "memory"`, new(asm).fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", i32(1)...).bytes()),
		m("no alloc", StageABI, "does not export alloc", abi().bytes()),
		m("another ABI", StageABI, "", new(asm).memory().fn("proxy_abi_version_0_2_1", ":").bytes()),
		m("too large", StageSize, "over the limit", make([]byte, 16<<20+1)),
	}
	for i := 9; i < len(good)-1; i += len(good) / 7 {
		out = append(out, m("cut off at "+strconv.Itoa(i), StageRewrite, "", cut(i)))
	}
	return out
}
