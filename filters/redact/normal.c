// Normalisation, in place, with the way back to the original bytes.
//
// Folded to ASCII: every character that Unicode's NFKC makes one of ASCII (folds.c), digits of all scripts, special spaces and
// hyphens, %41 and \u0041 where they spell a printable character, and in a tool call's arguments JSON's short escapes.
// Dropped: characters that show nothing, up to MAX_DROPPED in a row. One pass of the escapes only: %2540 stays. A superscript
// digit behind a letter stays: it is a footnote's, and ana@example.com\u00b9 an address all the same.
//
// A bit per original byte says whether a byte of the normalised text comes from there; counts per 64 bits make the way
// back a binary search.
#include "redact.h"

#define MAX_TEXT (SLUICE_WINDOW + SLUICE_CONTEXT)
#define MAX_DROPPED 4 // then one stands as a separator: what may be held back stays bounded

#define KEEP 256 // a unit stays as it is
#define DROP 257 // a unit is left out
#define LETTER 0xff // an escaped letter outside ASCII
#define SYMBOL 0xfe // any other escaped character outside ASCII

static u64 kept[MAX_TEXT / 64 + 2];
static u32 rank[MAX_TEXT / 64 + 2];

// plain is the length of the prefix without a byte that could begin a unit: eight bytes at a time.
static u32 plain(const u8 *s, u32 n) {
	const u64 ones = 0x0101010101010101, high = 0x8080808080808080;
	u32 i = 0;
	for (; i + 8 <= n; i += 8) {
		u64 w;
		__builtin_memcpy(&w, s + i, 8);
		u64 percent = w ^ ones * '%', slash = w ^ ones * '\\';
		if ((w | ((percent - ones) & ~percent) | ((slash - ones) & ~slash)) & high) break;
	}
	while (i < n && s[i] < 0x80 && s[i] != '%' && s[i] != '\\') i++;
	return i;
}

static void keep_range(u32 from, u32 to) {
	while (from < to) {
		u32 bit = from & 63, room = 64 - bit, n = to - from < room ? to - from : room;
		kept[from >> 6] |= (n == 64 ? ~0ull : ((1ull << n) - 1)) << bit;
		from += n;
	}
}

// invisible tells which characters are passed over: those that show nothing (Default_Ignorable_Code_Point of the Unicode
// character database): zero width, direction, variation, tags.
static int invisible(u32 c) {
	if (c < 0x300) return c == 0xad;
	if (c - 0x200b < 5 || c - 0x202a < 5 || c - 0x2060 < 16 || c - 0xfe00 < 16) return 1;
	return c == 0x34f || c == 0x61c || c - 0x115f < 2 || c - 0x17b4 < 2 || c - 0x180b < 5 || c == 0x3164 || c == 0xfeff || c == 0xffa0 || c - 0xe0000 < 0x1000;
}

// fold gives what a code point outside ASCII stands for.
static u32 fold(u32 c) {
	if (invisible(c)) return DROP;
	if (c - 0x2e80 < 0xa620 - 0x2e80 && c != 0x3000) return KEEP; // Chinese, Japanese: the table has none
	u32 ascii = fold_to_ascii(c);
	return ascii ? ascii : KEEP;
}

static int superscript(u32 c) { return c == 0xb9 || c == 0xb2 || c == 0xb3 || c - 0x2070 < 10; }

static u32 hex(u32 c) {
	if (c - '0' < 10) return c - '0';
	c |= 32;
	return c - 'a' < 6 ? c - 'a' + 10 : 16;
}

// hex_run reads up to want hex digits at s: the count of those there. The value goes to code.
static u32 hex_run(const u8 *s, u32 n, u32 want, u32 *code) {
	u32 i = 0;
	for (*code = 0; i < want && i < n && hex(s[i]) < 16; i++) *code = *code << 4 | hex(s[i]);
	return i;
}

static u32 percent(const u8 *s, u32 n, u32 *width) {
	u32 code, digits = hex_run(s + 1, n - 1, 2, &code);
	if (digits < 2 && 1 + digits == n && !text.final) return *width = 0;
	if (digits < 2 || code - ' ' > '~' - ' ') return KEEP;
	*width = 3;
	return code;
}

static u32 escaped(u32 code, u32 before) {
	u32 c = code < 0x80 ? code : superscript(code) && (classes[before] & C_ALPHA) ? KEEP : fold(code);
	if (c == DROP) return DROP;
	if (c < ' ') return ' ';
	if (c != KEEP) return c;
	return code - 0x2000 < 0xc00 || code - 0x3000 < 0x40 || code - 0xd800 < 0x800 || code < 0xc0 ? SYMBOL : LETTER;
}

static u32 backslash(const u8 *s, u32 n, u32 before, u32 *width) {
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\n\n\n\n\n";
	if (n == 1 && !text.final) return *width = 0;
	if (n > 1 && s[1] == 'u') {
		u32 code, digits = hex_run(s + 2, n - 2, 4, &code);
		if (digits < 4 && 2 + digits == n && !text.final) return *width = 0;
		if (digits == 4) return *width = 6, escaped(code, before);
	}
	for (u32 i = 0; text.arguments && n > 1 && from[i]; i++)
		if (s[1] == (u8)from[i]) return *width = 2, (u8)to[i];
	return KEEP;
}

static u32 utf8(const u8 *s, u32 n, u32 before, u32 *width) {
	u32 w = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 1, c = s[0] & (0xff >> (w + 1));
	if (w > n) return *width = text.final ? 1 : 0, KEEP;
	for (u32 i = 1; i < w; i++) c = c << 6 | (s[i] & 63);
	*width = w;
	if (w == 1 || (superscript(c) && (classes[before] & C_ALPHA))) return KEEP;
	return fold(c);
}

// unit reads the unit at s behind a byte as it was normalised: what it stands for and its width, 0 where it has not all arrived.
static u32 unit(const u8 *s, u32 n, u32 before, u32 *width) {
	*width = 1;
	if (s[0] == '%') return percent(s, n, width);
	if (s[0] == '\\') return backslash(s, n, before, width);
	return s[0] < 0x80 ? KEEP : utf8(s, n, before, width);
}

static void count_ranks(u32 n) {
	u32 sum = 0;
	for (u32 w = 0; w <= n >> 6; w++) {
		rank[w] = sum;
		sum += (u32)__builtin_popcountll(kept[w]);
	}
}

// rewrite folds s[r..n) onto s[w..) and gives the new length; used gets where a unit that has not all arrived begins.
static u32 rewrite(u8 *s, u32 r, u32 n, u32 *used) {
	u32 w = r, dropped = 0;
	while (r < n) {
		u32 width, c = unit(s + r, n - r, w ? s[w - 1] : 0, &width);
		if (!width) break;
		if (c == DROP && dropped < MAX_DROPPED) {
			dropped++;
		} else if (c == KEEP) {
			keep_range(r, r + width);
			for (u32 i = 0; i < width; i++) s[w++] = s[r + i];
			dropped = 0;
		} else {
			keep_range(r, r + 1);
			s[w++] = c == DROP ? 1 : (u8)c;
			dropped = 0;
		}
		r += width;
		if (c != KEEP) text.changed = r;
	}
	*used = r;
	return w;
}

// normalised is the position in b of the first byte that comes from x or behind it, x counted from where b begins.
static u32 normalised(u32 x) { return rank[x >> 6] + (u32)__builtin_popcountll(kept[x >> 6] & ((1ull << (x & 63)) - 1)); }

void normalise(u8 *buffer, u32 len, u32 left, u32 sync) {
	text.base = sync && sync < left ? left - sync : 0;
	text.changed = 0;
	u8 *s = text.b = buffer + text.base;
	u32 known = sync ? 0 : left, n = len - text.base, from = known + plain(s + known, n - known), used = n;
	text.n = n;
	text.left = left - text.base;
	if (from < n) {
		for (u32 w = 0; w <= (n >> 6) + 1; w++) kept[w] = 0;
		keep_range(0, from);
		text.n = rewrite(s, from, n, &used);
		count_ranks(n);
	}
	text.used = text.base + used;
	if (text.changed) { // left was a position of the buffer: count what is kept before it
		text.left = normalised(left - text.base);
	}
	if (text.n < n) end_with_zeros(s + text.n);
}

// nth is the place of the set bit that has n others below it.
static u32 nth(u64 word, u32 n) {
	u32 place = 0;
	for (u32 half = 32; half > 4; half /= 2) {
		u32 below = (u32)__builtin_popcountll(word & ((1ull << half) - 1));
		if (n >= below) n -= below, word >>= half, place += half;
	}
	for (; n; n--) word &= word - 1;
	return place + (u32)__builtin_ctzll(word);
}

u32 original(u32 i) {
	static u32 last; // most questions are about the word of the one before
	if (!text.changed) return text.base + i;
	if (i >= text.n) return text.used;
	u32 low = 0, high = (text.used - text.base) >> 6;
	if (last < high && rank[last] <= i) low = last, high = rank[last + 1] > i ? last : high;
	while (low < high) { // the last word whose rank is not above i
		u32 mid = (low + high + 1) / 2;
		if (rank[mid] <= i) low = mid;
		else high = mid - 1;
	}
	last = low;
	return text.base + (low << 6) + nth(kept[low], i - rank[low]);
}

// sync_of matters only where escapes or wide characters stand in the context: a cut inside one would be read as another.
// As at most MAX_DROPPED units of 6 bytes are left out in a row, the answer is at least LOOK where so much text is behind.
u32 sync_of(u32 settled) {
	u32 floor = settled > 61 ? settled - 61 : 0;
	if (!text.changed && !text.base) return 0;
	if (settled >= text.base + text.changed + SLUICE_CONTEXT) return 0; // nothing of it is in the next context
	if (floor < text.base) floor = text.base;
	if (!text.changed) return settled - floor;
	u32 i = floor;
	while (i < settled && !(kept[(i - text.base) >> 6] >> ((i - text.base) & 63) & 1)) i++;
	return settled - (i < settled ? i : floor);
}

u32 limit_of(u32 t) {
	if (!text.changed) return t + hold;
	u32 x = original(t) - text.base + hold;
	return x >= text.used - text.base ? text.n : normalised(x);
}

u32 bytes_before(u32 end, u32 bytes) {
	u32 x = original(end) - text.base;
	return x < bytes ? 0 : normalised(x - bytes);
}

u32 look_floor(u32 t) {
	if (!text.changed) return t > LOOK ? t - LOOK : 0;
	u32 x = original(t) - text.base;
	if (x <= LOOK) return 0;
	return normalised(x - LOOK);
}
