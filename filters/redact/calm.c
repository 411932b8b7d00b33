// Calm text: runs in which nothing can begin, which is what most texts are made of. They are passed over eight bytes at a time
// and nothing is written meanwhile: where all of a window is calm, no detector is asked and no text normalised.
//
// A test of a word of eight bytes gives the high bit of each byte that passes.
#include "redact.h"

#define ONES 0x0101010101010101ull
#define HIGH 0x8080808080808080ull
#define MOST 63 // characters of a run whose edges fit in a word

static u64 load(const u8 *p) {
	u64 w;
	__builtin_memcpy(&w, p, 8);
	return w;
}

// within and letters want bytes below 0x80, and leave rubbish in the low bits.
static inline u64 within(u64 w, u32 least, u32 most) { return (w + ONES * (0x80 - least)) & ~(w + ONES * (0x7f - most)); }
static inline u64 letters(u64 w) { return within(w | ONES * 0x20, 'a', 'z'); }
static inline u64 small_of(u64 w) { return w << 2; } // among letters: bit 5

// prose passes over blocks of ASCII letters, spaces, controls, commas and full stops, each with a space or a control, and with
// no two capitals in a row: no run of theirs is hot or long. It goes from the start of a run to the start of one.
static u32 prose(const u8 *b, u32 t, u32 n) {
	u64 last = 0; // the block before ends with a capital
	for (u32 i = t; i + 8 <= n; i += 8) {
		u64 w = load(b + i), letter = letters(w), capital = letter & ~small_of(w) & HIGH;
		u64 space = ~(w + ONES * (0x80 - '!')) & HIGH;
		u64 stop = ~(((w | ONES * 2) ^ ONES * '.') + ONES * 0x7f); // a comma has that bit not
		if (((~(letter | space | stop) | w) & HIGH) | (capital & (capital << 8 | last)) || !space) break;
		last = capital >> 56;
		t = i + 8 - (u32)__builtin_clzll(space) / 8;
	}
	return t;
}

static int is_digit(u32 c) { return c - '0' < 10; }

// starts tells whether a detector may have to look at t, where no word goes on. all are the classes of what the run has beside
// letters and digits.
static int starts(const u8 *b, u32 t, u32 end, u32 all) {
	u64 w = t < 3 ? load(b) << (24 - 8 * t) : load(b + t - 3);
	u32 before = w >> 16 & 255, c = w >> 24 & 255, next = w >> 32 & 255, third = w >> 40 & 255, class = classes[c];
	if ((classes[before] & C_NAMED) && (before - ':' < 5 || (classes[w >> 8 & 255] & C_NAMED))) return 1; // find_value, find_userinfo
	if (!(class & C_ALPHA)) {
		if (c == '-' || c == ':') return next == c;
		return (class & C_DIGIT) || ((c == '(' || c == '+') && (is_digit(next) || next == '('));
	}
	if (is_digit(third) && is_digit(w >> 48 & 255) && !is_digit(next)) return 1;        // find_iban
	if (!(class & C_LOWER) && (is_digit(next) || next - 'A' < 26)) return 1;            // find_coded
	if ((c | 32) <= 'f' && (third == ':' || third == '-' || (all & C_NAMED))) return 1; // find_mac, find_ip6
	return (end - t >= COLD || third == '1') && (pairs[c & 127] >> (next & 31) & 1); // find_bech32 from 14 on; find_secret, find_jwt
}

// calm is the start of the first run from t on that the detectors are to see, or n. With HELD nothing before it goes on, but
// it may do so itself.
u32 calm(const u8 *b, u32 t, u32 n, u32 how) {
	while ((t = prose(b, t, n)) < n) {
		u32 from = t, all = 0, each = ~0u, class;
		u64 edges = 1, digit = 0, small = 0, capital = 0; // edges: bit i where a word may begin i characters behind from
		for (;;) {
			u64 w = load(b + t), low = w & ~HIGH, letter = letters(low), number = within(low, '0', '9');
			u64 other = (~(letter | number) | w) & HIGH, in = (other & -other) - 1; // in front of the first other one
			digit |= number & in, small |= letter & small_of(low) & in, capital |= letter & ~small_of(low) & in;
			if (!other) {
				t += 8;
				continue;
			}
			u32 place = (u32)__builtin_ctzll(other), c = w >> (place & 56) & 255;
			t += place / 8;
			class = classes[c];
			if (class & C_DELIM) break;
			if ((class & C_ASK) && ((how & RAW) || t - from >= COLD)) return from;
			t++, all |= class, each &= class;
			if (c != '_') edges |= 1ull << ((t - from) & 63);
		}
		u32 len = t - from;
		if (t >= n && !(how & FINAL)) return !(how & FAR) && len <= MAX_LOCAL && (each & C_LOCAL) ? from | HELD : from; // see email_tail
		if (!(digit & HIGH) && !((all | class) & C_HOT) && len < COLD && ((small & HIGH) || (len != 2 && len < 8))) {
			t++;
			continue;
		}
		if ((how & FAR) || (all & C_ASK) || len > MOST || (len >= LEAST_BASE64 && (capital & HIGH))) return from;
		for (; edges; edges &= edges - 1) {
			u32 i = from + (u32)__builtin_ctzll(edges);
			if ((i + 3 >= n && !(how & FINAL)) || starts(b, i, t, all)) return from;
		}
		t++;
	}
	return n;
}
