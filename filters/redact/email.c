// E-mail addresses: the dot-atom form of RFC 5321 (local part to 64 bytes, domain to 255), local parts and domains outside
// ASCII as in RFC 6531, a domain of two labels or more whose last one is letters.
//
// Left out: quoted local parts ("a b"@x.org), the rarer atext characters (! # $ & * / = ? ^ ` { | } ~) and domain literals.
// Where words are not parted by spaces (Chinese, Japanese, Korean) an ASCII address ends where that script begins.
#include "redact.h"

#define MAX_DOMAIN 255

enum { NO_LETTER, NARROW, WIDE }; // WIDE: scripts without spaces between words

// script tells what the character is whose first byte stands at i.
static int script(u32 i) {
	u32 c = at(i);
	if (c < 0x80) return classes[c] & C_ALNUM ? NARROW : NO_LETTER;
	if (c == 0xff) return NARROW; // an escaped letter
	if (c < 0xc3 || c == 0xe2 || c >= 0xee) return NO_LETTER;
	if (c == 0xe3) return at(i + 1) == 0x80 ? NO_LETTER : WIDE;
	return c < 0xe2 ? NARROW : WIDE;
}

static u32 first_byte(u32 i, u32 floor) {
	while (i > floor && (text.b[i] & 0xc0) == 0x80) i--;
	return i;
}

// local_start walks back from an @ at end over what may be a local part.
static u32 local_start(u32 end, u32 floor, int wide) {
	u32 i = end;
	while (i > floor) {
		u32 c = text.b[i - 1], k = i - 1;
		if (c < 0x80) {
			if (!(classes[c] & (C_ALNUM | C_LOCAL))) break;
		} else {
			k = first_byte(k, floor);
			int s = script(k);
			if (s == NO_LETTER || (s == WIDE && !wide)) break;
		}
		i = k;
	}
	while (i < end && (text.b[i] & 0xc0) == 0x80) i++; // the bound may have cut a character
	return i;
}

static u32 floor_of(u32 end, u32 from) { return end > from + MAX_LOCAL ? end - MAX_LOCAL : from; }

u32 email_start(u32 at_sign, u32 from) {
	u32 near = text.changed ? bytes_before(at_sign, hold - 1) : 0; // what begins further away does not see the @
	u32 floor = floor_of(at_sign, from > near ? from : near);
	int wide = at_sign > floor && text.b[at_sign - 1] >= 0x80 && script(first_byte(at_sign - 1, floor)) == WIDE;
	u32 i = local_start(at_sign, floor, wide);
	while (i < at_sign && text.b[i] < 0x80 && !word_byte(text.b[i])) i++; // . - + ' % do not begin one
	return i;
}

// local_to tells whether all from t to end may belong to a local part: text padded so much (with escapes, or with what is left
// out) that the bound comes before a local part must have ended.
int local_to(u32 t, u32 end) { return !contesting && local_start(end, t, 1) == t; }

// email_tail is the first position that could belong to the local part of an @ at end or later.
u32 email_tail(u32 end, u32 from) { return local_start(end, floor_of(end, from), 1); }

static u32 label_end(u32 i, u32 limit) {
	int wide = script(i) == WIDE;
	while (i < limit) {
		int s = script(i);
		if (s == NO_LETTER && at(i) != '-') break;
		if (s == WIDE && !wide) break;
		for (i++; i < limit && (at(i) & 0xc0) == 0x80; i++) {}
	}
	return i;
}

// top_end is where a top-level label that starts at i ends, 0 where the label can't be one.
static u32 top_end(u32 i, u32 end) {
	u32 k = i;
	if (at(i) >= 0x80) return end - i >= 4 ? end : 0;
	while (k < end && (class_at(k) & C_ALPHA)) k++;
	if (k - i == 2 && end - k > 3 && lower(at(i)) == 'x' && lower(at(i + 1)) == 'n' && at(k) == '-' && at(k + 1) == '-') return end;
	return k - i >= 2 && !digit_at(k) ? k : 0;
}

static u32 domain_end(u32 i) {
	u32 limit = i + MAX_DOMAIN, found = 0;
	for (u32 labels = 0;; labels++) {
		u32 end = label_end(i, limit);
		if (end == i || at(i) == '-') return found;
		u32 top = labels ? top_end(i, end) : 0;
		if (top) found = top;
		if (at(end) != '.' || end >= limit) return found;
		i = end + 1;
	}
}

// lookalike: icon@2x.png names a file, git@host:path a repository.
static int lookalike(u32 t, u32 at_sign, u32 end) {
	if (digit_at(at_sign + 1) && at(at_sign + 2) == 'x' && at(at_sign + 3) == '.') return 1;
	return at_sign - t == 3 && at(t) == 'g' && at(t + 1) == 'i' && at(t + 2) == 't' && at(end) == ':';
}

void find_email(u32 t, u32 at_sign) {
	if (t >= at_sign) return;
	u32 end = domain_end(at_sign + 1);
	if (text.bound) return;
	if (end && !lookalike(t, at_sign, end)) offer(EMAIL, end, 0);
}
