// Characters: what a reader takes them for. Lower case, full width and other styles of letters as plain ones, letters without
// their diacritics, Latin look-alikes as Latin, invisible characters left out; in a tool call's arguments JSON's escapes too.
#include "guard.h"
#include "fold.h"

struct text text;

u32 ascii_fold(u32 c) {
	if (c - 'A' < 26) return c | 32;
	if (c == '`') return '\'';
	return c == '\n' || c > ' ' ? c : ' ';
}

static int invisible(u32 c) {
	return c == 0xad || c == 0x34f || c == 0x61c || c == 0x180e || c - 0x200b < 5 || c - 0x202a < 5 || c - 0x2060 < 16 || c == 0xfeff ||
		c - 0x300 < 0x70 || c - 0x1ab0 < 0x50 || c - 0x1dc0 < 0x40 || c - 0x20d0 < 0x30 || c - 0xfe00 < 16 || c - 0xfe20 < 16 ||
		c - 0x115f < 2 || c == 0x3164 || c == 0xffa0 || c - 0xe0000 < 0x1000;
}

static int symbol(u32 c) {
	return c < 0xaa || c - 0x2000 < 0x70 || c - 0x20a0 < 0xb60 || c - 0x2e00 < 0x80 || c - 0x3000 < 0x21 || c - 0xd800 < 0x2100 ||
		c - 0xfe10 < 0x60 || c - 0xffe0 < 0x20 || c - 0x1f000 < 0x1000;
}

static int ideograph(u32 c) { return c - 0x3041 < 0xc0 || c - 0x3400 < 0x6c00 || c - 0xf900 < 0x200 || c - 0x20000 < 0x20000; }

// styled gives the plain letter of the styled alphabets outside the tables, 0 for the rest.
static u32 styled(u32 c) {
	if (c - 0x1d400 < 676) return 'a' + (c - 0x1d400) % 26;
	if (c - 0x1d7ce < 50) return '0' + (c - 0x1d7ce) % 10;
	if (c - 0x1f130 < 26) return 'a' + (c - 0x1f130);
	if (c - 0x1f150 < 26) return 'a' + (c - 0x1f150);
	if (c - 0x1f170 < 26) return 'a' + (c - 0x1f170);
	if (c - 0x1f1e6 < 26) return 'a' + (c - 0x1f1e6);
	if (c == 0xa730) return 'f';
	return c == 0xa731 ? 's' : 0;
}

static u32 pair(u32 c) {
	static const u16 from[] = {0xc6, 0xdf, 0xe6, 0x152, 0x153, 0x1e9e, 0xfb00, 0xfb01, 0xfb02, 0xfb05, 0xfb06};
	static const char to[] = "aessaeoeoessfffiflstst";
	for (u32 i = 0; i < sizeof from / sizeof from[0]; i++)
		if (from[i] == c) return PAIR | (u32)to[2 * i] << 8 | (u32)to[2 * i + 1];
	return 0;
}

static u32 tabled(u32 c) {
	for (u32 i = 0; i < sizeof folds / sizeof folds[0]; i++) {
		if (c - folds[i].from >= folds[i].n) continue;
		u32 to = (u8)folds[i].to[c - folds[i].from];
		if (to == '^') return DROP;
		if (to == ' ') return SYMBOL;
		if (to != '.') return to;
		if (c - 0x400 < 16) return c + 80;
		return c - 0x391 < 25 || c - 0x410 < 32 ? c + 32 : c;
	}
	return 0;
}

static u32 wide_fold(u32 c) {
	if (c < 0x80) return ascii_fold(c);
	if (c - 0xff01 < 94) return ascii_fold(c - 0xff01 + '!');
	if (invisible(c)) return DROP;
	if (c == 0x85 || c == 0x2028 || c == 0x2029) return '\n';
	if (c == 0xa0 || c - 0x2000 < 11 || c == 0x202f || c == 0x205f || c == 0x3000) return ' ';
	if (c - 0x2018 < 4 || c == 0x2032 || c == 0x2bc || c == 0xb4) return '\'';
	if (c - 0x2010 < 6 || c == 0x2212) return '-';
	if (c == 0xb7 || c == 0x2022 || c == 0x2024 || c == 0x2219 || c == 0x22c5 || c == 0x30fb) return '.';
	u32 to = pair(c);
	if (!to) to = tabled(c);
	if (!to) to = styled(c);
	if (to) return to;
	if (symbol(c)) return SYMBOL;
	return ideograph(c) ? IDEOGRAPH | c : c;
}

static u32 hex4(u32 i, u32 *code) {
	u32 k = 0;
	for (*code = 0; k < 4 && i + k < text.n; k++) {
		u32 c = text.b[i + k], low = c | 32, digit = c - '0' < 10 ? c - '0' : low - 'a' < 6 ? low - 'a' + 10 : 16;
		if (digit > 15) return k;
		*code = *code << 4 | digit;
	}
	return k;
}

// escape reads a backslash of JSON. An escape that is none stands for a symbol.
static u32 escape(u32 i, u32 *width) {
	u32 left = text.n - i, code, low, digits;
	*width = left == 1 && !text.final ? 0 : 1;
	if (left == 1) return SYMBOL;
	u32 c = text.b[i + 1];
	if (c == 'n' || c == 'r' || c == 't' || c == 'b' || c == 'f') return *width = 2, c == 'n' ? '\n' : ' ';
	if (c != 'u') return *width = c < 0x80 ? 2 : 1, c < 0x80 ? ascii_fold(c) : SYMBOL;
	digits = hex4(i + 2, &code);
	if (digits < 4) return *width = left == 2 + digits && !text.final ? 0 : 1, SYMBOL;
	*width = 6;
	if (code - 0xd800 >= 0x400) return wide_fold(code);
	if (left < 12 && !text.final) return *width = 0, SYMBOL; // the other half of a pair
	if (left < 12 || text.b[i + 6] != '\\' || text.b[i + 7] != 'u' || hex4(i + 8, &low) < 4 || low - 0xdc00 >= 0x400) return SYMBOL;
	*width = 12;
	return wide_fold(0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00)));
}

u32 unit(u32 i, u32 *width) {
	u32 first = text.b[i], w, c;
	if (first < 0x80) {
		if (first == '\\' && text.arguments) return escape(i, width);
		*width = 1;
		return ascii_fold(first);
	}
	w = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	*width = w;
	if (w > text.n - i) return *width = text.final ? text.n - i : 0, SYMBOL;
	c = first & (0xff >> (w + 1));
	for (u32 k = 1; k < w; k++) c = c << 6 | (text.b[i + k] & 63);
	return wide_fold(c);
}
