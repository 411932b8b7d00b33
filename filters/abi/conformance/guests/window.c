// window.wasm checks what it is shown: a host that presents windows, left context, state or flags wrongly gets a verdict
// whose code names the rule. It settles most of each window and holds the rest back, differently each time.
#include "sluice.h"

SLUICE_ARENA(SLUICE_WINDOW + SLUICE_CONTEXT)

// digest is FNV-1a, 32 bits.
static u32 digest(const u8 *p, u32 n) {
	u32 h = 2166136261u;
	while (n--) h = (h ^ *p++) * 16777619u;
	return h;
}

static int boundary(const u8 *p, u32 len, u32 at) { return at >= len || (p[at] & 0xc0) != 0x80; }

// context is where the left context begins of a window whose new text begins at pos.
static u32 context(const u8 *p, u32 len, u32 pos) {
	u32 from = pos > SLUICE_CONTEXT ? pos - SLUICE_CONTEXT : 0;
	while (from < pos && !boundary(p, len, from)) from++;
	return from;
}

#define CHECK(holds, code) \
	if (!(holds)) return sluice_reject(SLUICE_TEXT(code), SLUICE_TEXT("the host broke this rule")), (i64)len

SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) { return SLUICE_TEXT_REQUEST | SLUICE_TEXT_ANSWER; }

SLUICE_EXPORT(on_text) i64 on_text(const u8 *text, u32 len, u32 flags, u64 state) {
	u32 left = SLUICE_LEFT(flags);
	CHECK((flags & 0xff00ff80u) == 0, "reserved_flags");
	CHECK(SLUICE_ROLE(flags) <= SLUICE_ROLE_DEFINITION, "role");
	CHECK(left <= SLUICE_CONTEXT && left <= len, "left_context_length");
	CHECK(len - left <= SLUICE_WINDOW, "window_length");
	CHECK(len > 0, "empty_window");
	CHECK(boundary(text, len, 0) && boundary(text, len, left), "utf8_boundary");
	if (!state) {
		CHECK(left == 0, "state_or_left_context_at_the_start");
	} else {
		// The high half is how much context there must be, the low half its digest.
		CHECK(left == (u32)(state >> 32 & 255), "left_context_length");
		CHECK(digest(text, left) == (u32)state, "left_context_bytes");
	}
	if (SLUICE_END(flags)) return len;
	u32 settled = len, back = digest(text, len) % 9;
	while (back-- && settled > left + 1) settled--;
	while (settled > left && !boundary(text, len, settled)) settled--;
	if (settled == left && !state) return left; // nothing yet: the next call is the first one again
	u32 from = context(text, len, settled);
	sluice_next_state((u64)1 << 63 | (u64)(settled - from) << 32 | digest(text + from, settled - from));
	return settled;
}
