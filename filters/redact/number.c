// The digits at a position, read once for all detectors of numbers.
#include "redact.h"

static int separator(u32 c) { return c == ' ' || c == '-' || c == '.' || c == '/'; }

// A group of more digits than any number has ends the reading, and is no part of it.
void read_number(u32 t) {
	u32 i = t, n = 0, g = 0, sep = 0;
	u64 shape = 0;
	for (; g < NUMBER_GROUPS; g++) {
		u32 from = n;
		while (n < NUMBER_DIGITS && digit_at(i)) number.digit[n++] = (u8)(at(i++) - '0');
		if (digit_at(i)) break;
		shape = shape << 5 | (n - from);
		number.end[g] = i, number.shape[g] = shape, number.count[g] = (u8)n, number.sep[g] = (u8)sep;
		sep = at(i);
		if (!separator(sep) || !digit_at(i + 1)) {
			g++;
			break;
		}
		i++;
	}
	number.groups = g;
	number.digits = g ? number.count[g - 1] : 0;
}

int number_ends(u32 i) {
	u32 c = at(i);
	return !word_byte(c) && !((c == '-' || c == '.' || c == '/') && digit_at(i + 1)) && !(c == '-' && word_byte(at(i + 1)));
}

int number_misplaced(u32 t) {
	u32 c = behind(t, 1);
	return c == '$' || ((c == '-' || c == '.' || c == '/') && word_byte(behind(t, 2)));
}
