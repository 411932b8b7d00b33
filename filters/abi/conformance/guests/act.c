// act.wasm does what its text says: #name(argument,argument) is a call that it makes, in order. So each rule of the ABI is
// a line of text in cases.json, and not a module of its own.
//
// Numbers may be written relative to the window: L is where the left context ends, E the window's end, @ where the call
// itself is written, each with an optional +n or -n. In on_request and on_response the calls stand anywhere in the JSON.
// Unless the text ends here, nothing is settled: whatever the cuts, the calls are made once, over the whole text.
#include "sluice.h"

SLUICE_ARENA(2 * SLUICE_WINDOW)

static const u8 *text;
static u32 len, left, flags, at; // at: of the call being made
static u64 state;
static i64 result; // what the hook returns

typedef struct {
	const char *p;
	u32 n;
} word;

static int same(word w, const char *name) {
	u32 i = 0;
	while (i < w.n && name[i] && w.p[i] == name[i]) i++;
	return i == w.n && !name[i];
}

// number reads what a word says: digits, or L, E or @ with a signed offset.
static i64 number(word w) {
	i64 base = 0, n = 0, sign = 1;
	u32 i = 0;
	if (w.n && (w.p[0] == 'L' || w.p[0] == 'E' || w.p[0] == '@')) {
		base = w.p[0] == 'L' ? left : w.p[0] == 'E' ? len : at;
		i++;
	}
	if (i < w.n && (w.p[i] == '-' || w.p[i] == '+')) sign = w.p[i++] == '-' ? -1 : 1;
	for (; i < w.n; i++) n = n * 10 + (w.p[i] - '0');
	return base + sign * n;
}

// decimal spells a number.
static word decimal(i64 n) {
	static char out[24];
	u64 v = n < 0 ? (u64)-n : (u64)n;
	u32 i = sizeof out;
	do out[--i] = (char)('0' + v % 10);
	while (v /= 10);
	if (n < 0) out[--i] = '-';
	return (word){out + i, (u32)sizeof out - i};
}

static void tell(word key, i64 n) {
	word d = decimal(n);
	sluice_label(key.p, key.n, d.p, d.n);
}

#define TELL(key, n) tell((word){SLUICE_TEXT(key)}, n)

// show labels all that the host said of this window.
static void show(void) {
	TELL("left", left), TELL("len", len), TELL("end", SLUICE_END(flags)), TELL("answer", SLUICE_ANSWER(flags));
	TELL("role", SLUICE_ROLE(flags)), TELL("arguments", SLUICE_ARGUMENTS(flags)), TELL("state", (i64)state);
	TELL("reserved", flags & 0xff00ff80);
}

// fact labels a fact: its length and at most cap bytes of it.
static void fact(word key, word label, u32 cap) {
	static char buf[64];
	for (u32 i = 0; i < sizeof buf; i++) buf[i] = '.';
	i32 n = sluice_get(key.p, key.n, buf, cap);
	tell(label, n);
	if (n >= 0) sluice_label(SLUICE_TEXT("bytes"), buf, cap + 2); // and two more, which must be as they were
}

static void spin(void) {
	for (volatile u32 i = 0;; i++) {
	}
}

static i32 overflow(i32 n) {
	volatile u8 room[256];
	room[n & 255] = (u8)n;
	return overflow(n + 1) + room[(n + 1) & 255];
}

// edit makes the calls of on_text; it reports whether the name is one of theirs.
static int edit(word name, const word *a) {
	u32 m = (u32)number(a[0]), n = (u32)number(a[1]);
	if (same(name, "redact")) sluice_redact(m, n, a[2].p, a[2].n);
	else if (same(name, "open")) sluice_redact_open(m, a[1].p, a[1].n);
	else if (same(name, "close")) sluice_redact_close(m);
	else if (same(name, "replace")) sluice_replace(m, n, a[2].p, a[2].n);
	else if (same(name, "replace_bytes")) sluice_replace(m, n, "\xc3", 1); // half a character
	else if (same(name, "state")) sluice_next_state((u64)number(a[0]));
	else return 0;
	return 1;
}

// change makes the calls of on_request.
static int change(word name, const word *a) {
	if (same(name, "set")) sluice_set(a[0].p, a[0].n, a[1].p, a[1].n);
	else if (same(name, "message")) sluice_message((u32)number(a[0]), (u32)number(a[1]), a[2].p, a[2].n);
	else return 0;
	return 1;
}

static void act(word name, const word *a) {
	if (edit(name, a) || change(name, a)) return;
	if (same(name, "label")) sluice_label(a[0].p, a[0].n, a[1].p, a[1].n);
	else if (same(name, "reject")) sluice_reject(a[0].p, a[0].n, a[1].p, a[1].n);
	else if (same(name, "fact")) fact(a[0], a[1], (u32)number(a[2]));
	else if (same(name, "log")) TELL("logged", sluice_log((u32)number(a[0]), a[1].p, a[1].n));
	else if (same(name, "logs")) for (i64 n = number(a[0]); n > 0; n--) sluice_log(SLUICE_INFO, SLUICE_TEXT("again"));
	else if (same(name, "labels")) for (i64 n = number(a[0]); n > 0; n--) tell(decimal(n), n);
	else if (same(name, "show")) show();
	else if (same(name, "return")) result = number(a[0]);
	else if (same(name, "trap")) __builtin_trap();
	else if (same(name, "spin")) spin();
	else if (same(name, "overflow")) result = overflow(0);
	else if (same(name, "outside")) sluice_label(SLUICE_TEXT("key"), (const char *)0xfffffff0u, 32);
	else sluice_reject(SLUICE_TEXT("unknown_call"), SLUICE_TEXT("act.c does not know a call of this text"));
}

// perform makes every call that is written in the text.
static void perform(void) {
	for (u32 i = left; i < len; i++) {
		if (text[i] != '#') continue;
		word name = {(const char *)text + i + 1, 0}, a[3] = {{0, 0}, {0, 0}, {0, 0}};
		at = i;
		while (++i < len && text[i] != '(') name.n++;
		for (u32 k = 0; i < len && text[i] != ')' && k < 3; k++) {
			a[k].p = (const char *)text + ++i;
			for (; i < len && text[i] != ',' && text[i] != ')'; i++) a[k].n++;
		}
		act(name, a);
	}
}

SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) { return HOOKS; }

SLUICE_EXPORT(on_text) i64 on_text(const u8 *p, u32 n, u32 f, u64 s) {
	text = p, len = n, flags = f, left = SLUICE_LEFT(f), state = s;
	if (!SLUICE_END(f)) return left;
	result = len;
	perform();
	return result;
}

static i32 whole(const u8 *p, u32 n) {
	text = p, len = n, flags = left = 0, state = 0, result = 0;
	perform();
	return (i32)result;
}

SLUICE_EXPORT(on_request) i32 on_request(const u8 *p, u32 n) { return whole(p, n); }

#if HOOKS & SLUICE_ON_RESPONSE
SLUICE_EXPORT(on_response) i32 on_response(const u8 *p, u32 n) { return whole(p, n); }
#endif
