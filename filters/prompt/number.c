// Numbers of JSON, near enough to compare them.
#include "prompt.h"

static int digit(u32 c) { return c - '0' < 10; }

// scaled is m * 10^e; beyond what a double holds it is 0 or infinite.
static double scaled(double m, int e) {
	for (; e > 0 && m < 1e300; e--) m *= 10;
	if (e > 0 && m > 0) return __builtin_inf();
	for (; e < 0 && m > 0; e++) m /= 10;
	return m;
}

int number(const u8 *s, u32 n, double *value) {
	u32 i = n && s[0] == '-', from = i;
	double m = 0;
	int e = 0, x = 0, down = 0;
	for (; i < n && digit(s[i]); i++) m < 1e17 ? (m = m * 10 + (s[i] - '0')) : (double)e++;
	if (i == from) return 0;
	if (i < n && s[i] == '.')
		for (i++; i < n && digit(s[i]); i++)
			if (m < 1e17) m = m * 10 + (s[i] - '0'), e--;
	if (i < n && (s[i] | 32) == 'e') {
		i++;
		if (i < n && (s[i] == '+' || s[i] == '-')) down = s[i++] == '-';
		for (; i < n && digit(s[i]); i++) x = x < 100000 ? x * 10 + (s[i] - '0') : x;
	}
	if (i != n) return 0;
	m = scaled(m, e + (down ? -x : x));
	*value = from ? -m : m;
	return 1;
}
