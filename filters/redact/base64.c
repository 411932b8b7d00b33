// Base64 (RFC 4648, both alphabets): a run of 20 characters and more is decoded, at each of the four ways to begin a group,
// and the detectors are asked for the decoded bytes. A finding there makes the run one of that kind. One layer is decoded.
//
// A run longer than `hold` is looked at in blocks, each with what the decoder left undecided of the one before and a little
// context; a finding makes it one from its block on. The position of the next block is part of the state between calls.
#include "redact.h"

#define CONTEXT 28  // characters in front of a block that are decoded with it; within LOOK
#define CONTROLS 16 // one control character in so many bytes is allowed: random bytes have twice that

static int is_base64(u32 c) { return (classes[c] & C_BASE64) != 0; }

static u8 values[128]; // of the characters of both alphabets

void prepare_base64(void) {
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (u32 i = 0; i < 64; i++) values[(u8)alphabet[i]] = (u8)i;
	values['-'] = 62, values['_'] = 63;
}

// decode writes the bytes of the whole groups from i to end, and gives how many. rest: also those of a last group that is cut.
static u32 decode(u32 i, u32 end, int rest, u8 *out) {
	u32 n = 0;
	for (; i + 4 <= end; i += 4, n += 3) {
		const u8 *s = text.b + i;
		u32 bits = (u32)values[s[0]] << 18 | (u32)values[s[1]] << 12 | (u32)values[s[2]] << 6 | (u32)values[s[3]];
		out[n] = (u8)(bits >> 16), out[n + 1] = (u8)(bits >> 8), out[n + 2] = (u8)bits;
	}
	if (!rest || i + 2 > end) return n;
	u32 bits = (u32)values[text.b[i]] << 18 | (u32)values[text.b[i + 1]] << 12 | (end - i > 2 ? (u32)values[text.b[i + 2]] << 6 : 0);
	out[n++] = (u8)(bits >> 16);
	if (end - i > 2) out[n++] = (u8)(bits >> 8);
	return n;
}

static int textual(const u8 *d, u32 n) {
	u32 controls = 0;
	for (u32 i = 0; i < n; i++) controls += d[i] < ' ' && d[i] != '\n' && d[i] != '\r' && d[i] != '\t';
	return controls * CONTROLS <= n;
}

// search decodes from..end and asks for findings behind the first `left` characters. The result is where, in characters of
// the text, it is undecided; *kind is set where something was found.
static u32 search(u32 from, u32 left, u32 end, int ended, u32 *kind) {
	static u8 bytes[MOST_HOLD / 4 * 3 + CONTEXT + 4];
	u32 n = decode(from, end, ended, bytes);
	if (!textual(bytes, n)) return end;
	bytes[n] = 0;
	u32 at = scan_apart(bytes, n, left / 4 * 3, ended, kind);
	return at < n ? from + at / 3 * 4 : end;
}

void find_base64(u32 t) {
	u32 end = t, capitals = 0, others = 0;
	for (; end < text.end && is_base64(text.b[end]); end++)
		if (text.b[end] - 'A' < 26u) capitals = 1;
		else others |= classes[text.b[end]] & (C_LOWER | C_DIGIT);
	int ended = end < text.end || text.limit >= text.n;
	if (end == text.end) at(end);
	if (text.shortage) return;
	text.bound = 0;
	int goes_on = next_block == ~0u && is_base64(behind(t, 1));
	if (!goes_on && (end - t < LEAST_BASE64 || !capitals || !others)) return; // hexadecimal digests, paths, words
	u32 floor = look_floor(t), start = t, kind = BUILTIN, next = end - (end - t) / 4;
	while (start > floor && t - start < CONTEXT && is_base64(text.b[start - 1])) start--;
	for (u32 phase = 0; phase < 4 && kind == BUILTIN; phase++) {
		u32 from = start + phase, undecided = search(from, from < t ? t - from : 0, end, ended, &kind);
		if (undecided < next) next = undecided;
	}
	if (kind == BUILTIN && !ended && next <= t) kind = SECRET; // all of the block may be the beginning of a match
	if (kind == BUILTIN) {
		if (!ended) next_block = next;
		return;
	}
	for (u32 pad = 0; ended && pad < 2 && at(end) == '='; pad++) end++;
	if (!text.shortage) offer(kind, end, ended ? 0 : OPEN_BASE64);
}

void block_behind(u32 end) {
	if (next_block != ~0u && next_block > end) return;
	next_block = end && end < text.n && is_base64(text.b[end - 1]) && is_base64(text.b[end]) ? end : ~0u;
}
