// Checksums of identifiers. Digits are values 0 to 9.
#include "redact.h"

// luhn is the check of ISO/IEC 7812-1, annex B.
int luhn(const u8 *digits, u32 n) {
	u32 sum = 0;
	for (u32 i = 0; i < n; i++) {
		u32 d = digits[n - 1 - i];
		sum += i & 1 ? d * 2 - (d > 4 ? 9 : 0) : d;
	}
	return sum % 10 == 0;
}

// verhoeff is J. Verhoeff's check by the dihedral group of order 10 (Error Detecting Decimal Codes, 1969).
int verhoeff(const u8 *digits, u32 n) {
	static const char permuted[8][11] = {"0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258"};
	u32 c = 0;
	for (u32 i = 0; i < n; i++) {
		u32 p = (u32)permuted[i % 8][digits[n - 1 - i]] - '0';
		// the product of the group: rotations are 0 to 4, reflections 5 to 9
		c = c < 5 ? (p < 5 ? (c + p) % 5 : 5 + (c + p) % 5) : (p < 5 ? 5 + (c - p) % 5 : (c - p + 5) % 5);
	}
	return c == 0;
}

// mod11_10 is the hybrid system of ISO 7064, MOD 11,10.
int mod11_10(const u8 *digits, u32 n) {
	u32 p = 10;
	for (u32 i = 0; i + 1 < n; i++) {
		u32 s = (p + digits[i]) % 10;
		p = (s ? s : 10) * 2 % 11;
	}
	return (p + digits[n - 1]) % 10 == 1;
}

// weighted sums digits by weights, one character each from '0' on (':' is 10).
u32 weighted(const u8 *digits, const char *weights) {
	u32 sum = 0;
	for (u32 i = 0; weights[i]; i++) sum += digits[i] * (u32)(weights[i] - '0');
	return sum;
}

u32 remainder_of(const u8 *digits, u32 n, u32 by) {
	u32 r = 0;
	for (u32 i = 0; i < n; i++) r = (r * 10 + digits[i]) % by;
	return r;
}

u32 value_of(const u8 *digits, u32 n) {
	u32 v = 0;
	for (u32 i = 0; i < n; i++) v = v * 10 + digits[i];
	return v;
}

int date(u32 day, u32 month) {
	static const u8 days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return month - 1 < 12 && day - 1 < days[month - 1];
}

u32 remainder97(u32 r, u32 c) {
	u32 v = c < 'A' ? c - '0' : c - 'A' + 10;
	return (v < 10 ? r * 10 + v : r * 100 + v) % 97;
}
