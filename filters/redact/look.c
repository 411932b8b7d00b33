// Looking behind a position, within LOOK original bytes.
#include "redact.h"

u32 behind(u32 t, u32 k) {
	if (k > t) return 0;
	if (!text.changed || k == 1) return k <= LOOK ? text.b[t - k] : 0; // one unit and what is left out behind it are within LOOK
	return t - k >= look_floor(t) ? text.b[t - k] : 0;
}

// same compares the n letters that end at e with the word at w, ignoring case; next gets where the next word begins.
static int same(u32 from, u32 n, const char *w) {
	u32 i = 0;
	while (i < n && lower(text.b[from + i]) == (u8)w[i]) i++;
	return i == n && (w[i] == ' ' || !w[i]);
}

static int listed(u32 from, u32 n, const char *words) {
	while (*words) {
		if (same(from, n, words)) return 1;
		while (*words && *words != ' ') words++;
		while (*words == ' ') words++;
	}
	return 0;
}

// Words are runs of letters; a digit, a line's end, a semicolon or more than 6 other bytes between them end the search.
// The word that the floor may have cut is not read.
int word_before(u32 t, const char *words, u32 at_most) {
	u32 floor = look_floor(t), i = t;
	for (u32 seen = 0; seen < at_most; seen++) {
		u32 gap = 0;
		while (i > floor && !(classes[text.b[i - 1]] & C_ALPHA)) {
			u32 c = text.b[--i];
			if (c == '\n' || c == ';' || (classes[c] & C_DIGIT) || ++gap > 6) return 0;
		}
		u32 end = i;
		while (i > floor && (classes[text.b[i - 1]] & C_ALPHA)) i--;
		if (i == end || (i == floor && floor)) return 0;
		if (listed(i, end - i, words)) return 1;
	}
	return 0;
}
