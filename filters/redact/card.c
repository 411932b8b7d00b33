// Payment cards: 12 to 19 digits in an issuer's range (ISO/IEC 7812-1; the ranges as the networks publish them) that pass the
// Luhn check, in one run or in groups parted by one kind of separator: a space, a hyphen or a full stop.
#include "redact.h"

#define MAX_DIGITS 19

// A range of leading digits: value from..to of the first `digits` digits, allowed lengths as a bit set (bit n: n digits).
#define LENGTHS(from, to) ((2u << (to)) - (1u << (from)))
static const struct {
	u16 from, to;
	u8 digits;
	u8 named; // only behind a word that says card: too short or too common to tell alone
	u32 lengths;
} ranges[] = {
	{4, 4, 1, 0, 1u << 16 | 1u << 19}, {4, 4, 1, 1, 1u << 13},                  // Visa
	{51, 55, 2, 0, 1u << 16}, {2221, 2720, 4, 0, 1u << 16},                     // Mastercard
	{34, 34, 2, 0, 1u << 15}, {37, 37, 2, 0, 1u << 15},                         // American Express
	{300, 305, 3, 0, 1u << 14 | 1u << 16}, {36, 36, 2, 0, LENGTHS(14, 19)}, {38, 39, 2, 0, 1u << 14 | 1u << 16}, // Diners Club
	{3528, 3589, 4, 0, LENGTHS(16, 19)},                                        // JCB
	{6011, 6011, 4, 0, LENGTHS(16, 19)}, {644, 659, 3, 0, LENGTHS(16, 19)},     // Discover
	{62, 62, 2, 0, LENGTHS(16, 19)},                                            // UnionPay
	{2200, 2204, 4, 0, LENGTHS(16, 19)},                                        // Mir
	{60, 60, 2, 0, 1u << 16}, {81, 82, 2, 0, 1u << 16},                         // RuPay
	{5018, 5018, 4, 0, LENGTHS(16, 19)}, {5020, 5020, 4, 0, LENGTHS(16, 19)}, {5038, 5038, 4, 0, LENGTHS(16, 19)}, // Maestro
	{6304, 6304, 4, 0, LENGTHS(16, 19)}, {6759, 6763, 4, 0, LENGTHS(16, 19)},
	{50, 50, 2, 1, LENGTHS(12, 19)}, {56, 58, 2, 1, LENGTHS(12, 19)}, {67, 67, 2, 1, LENGTHS(12, 19)},
};

static int issued(const u8 *digits, u32 n, u32 t) {
	for (u32 r = 0; r < sizeof ranges / sizeof *ranges; r++) {
		u32 lead = 0;
		for (u32 i = 0; i < ranges[r].digits; i++) lead = lead * 10 + digits[i];
		if (lead < ranges[r].from || lead > ranges[r].to || !(ranges[r].lengths >> n & 1)) continue;
		if (!ranges[r].named || word_before(t, "card cards visa mastercard maestro pan cc credit debit", 3)) return 1;
	}
	return 0;
}

// ends tells whether a number may end at i: no word goes on there, and no more digits behind a hyphen or full stop.
static int ends(u32 i) {
	u32 c = at(i);
	return !word_byte(c) && !((c == '-' || c == '.') && digit_at(i + 1));
}

void find_card(u32 t) {
	u32 found = 0, last = 0;
	if (at(t) < '2' || at(t) == '7' || at(t) == '9') return;
	if (behind(t, 1) == '.' && (classes[behind(t, 2)] & C_DIGIT)) return; // a fraction
	for (u32 g = 0; g < number.groups && number.count[g] <= MAX_DIGITS; g++) {
		u32 n = number.count[g];
		if (n - last < 2 || n < 4 || (g && (number.sep[g] != number.sep[1] || number.sep[g] == '/'))) break;
		if (n >= 12 && ends(number.end[g]) && luhn(number.digit, n) && issued(number.digit, n, t)) found = number.end[g];
		last = n;
	}
	if (found) offer(CARD, found, 0);
}
