// Phone numbers, with rules after libphonenumber's: international (+ or 00, a country code of ITU-T E.164, a national number
// of a possible length), North American (area and exchange 2-9xx, grouped 3-3-4), national with a trunk 0 (10 or 11 digits in
// groups); any other grouping only behind a word that names a phone. A number takes as many groups as make it valid.
#include "redact.h"

#define MAX_DIGITS 15 // E.164
#define MAX_GROUPS 8

static struct {
	u8 digit[MAX_DIGITS];
	u32 digits, groups;
	u32 end[MAX_GROUPS];  // position behind each group
	u8 count[MAX_GROUPS]; // digits up to and with it
	u8 sep[MAX_GROUPS];   // separator in front of it; ')' for an area in parentheses
	int plus, paren;
} p;

// National lengths by country code of one or two digits: code, least, most. Three-digit codes take 7 to 10.
static const u8 countries[][3] = {
	{1, 10, 10}, {7, 10, 10}, {20, 8, 10}, {27, 9, 9}, {30, 10, 10}, {31, 9, 9}, {32, 8, 9}, {33, 9, 9}, {34, 9, 9}, {36, 8, 9},
	{39, 8, 11}, {40, 9, 9}, {41, 9, 9}, {43, 7, 12}, {44, 9, 10}, {45, 8, 8}, {46, 7, 10}, {47, 8, 8}, {48, 9, 9}, {49, 7, 12},
	{51, 8, 9}, {52, 10, 10}, {53, 8, 8}, {54, 10, 11}, {55, 10, 11}, {56, 9, 9}, {57, 10, 10}, {58, 10, 10}, {60, 8, 10},
	{61, 9, 9}, {62, 8, 12}, {63, 8, 10}, {64, 8, 10}, {65, 8, 8}, {66, 8, 9}, {81, 9, 10}, {82, 8, 10}, {84, 8, 10},
	{86, 10, 11}, {90, 10, 10}, {91, 10, 10}, {92, 9, 10}, {93, 9, 9}, {94, 9, 9}, {95, 7, 10}, {98, 10, 10},
};

// The first two digits of the assigned three-digit codes.
static const u8 threes[] = {21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99};

static int north_american(u32 from, u32 n) {
	if (n != 10 || p.digit[from] < 2 || p.digit[from + 3] < 2) return 0;
	return !(p.digit[from + 1] == 1 && p.digit[from + 2] == 1); // 211, 311, ... 911
}

// international judges the digits from..total as country code and national number.
static int international(u32 from, u32 total) {
	if (total < from + 8 || p.digit[from] == 0) return 0;
	if (p.digit[from] == 1) return north_american(from + 1, total - from - 1);
	for (u32 i = 1; i < sizeof countries / sizeof *countries; i++) {
		u32 width = countries[i][0] < 10 ? 1 : 2, national = total - from - width;
		if (value_of(p.digit + from, width) == countries[i][0]) return national >= countries[i][1] && national <= countries[i][2];
	}
	for (u32 i = 0; i < sizeof threes; i++)
		if (value_of(p.digit + from, 2) == threes[i]) return total - from - 3 >= 7 && total - from - 3 <= 10;
	return 0;
}

static int separator(u32 c) { return c == ' ' || c == '-' || c == '.' || c == '/'; }

// next_group steps from the end of a group to the next digit; sep gets what stands between. 0 where the number ends.
static u32 next_group(u32 i, u8 *sep, int *open) {
	*sep = 0;
	if (*open && at(i) == ')') *open = 0, *sep = ')', i++;
	if (separator(at(i))) *sep = *sep ? *sep : (u8)at(i), i++;
	if (at(i) == '(' && at(i + 1) == '0' && at(i + 2) == ')' && p.plus) { // +44 (0)20: the trunk 0 is not dialled
		i += 3;
		if (at(i) == ' ') i++;
	} else if (at(i) == '(' && !*open && digit_at(i + 1)) {
		*open = 1, p.paren = 1, i++;
	}
	return digit_at(i) && *sep ? i : 0;
}

static void collect(u32 t) {
	u32 i = t;
	int open = 0;
	p.digits = p.groups = 0, p.plus = 0, p.paren = 0;
	if (at(i) == '+') p.plus = 1, i++;
	if (at(i) == '(') p.paren = open = 1, i++;
	u8 sep = 0;
	while (digit_at(i) && p.groups < MAX_GROUPS) {
		while (digit_at(i) && p.digits < MAX_DIGITS) p.digit[p.digits++] = (u8)(at(i++) - '0');
		if (digit_at(i)) return; // too long: this group can't end a number
		p.end[p.groups] = i;
		p.count[p.groups] = (u8)p.digits;
		p.sep[p.groups++] = open ? '(' : sep;
		i = next_group(i, &sep, &open);
		if (!i) return;
	}
}

static int ends(u32 i, u32 g) {
	u32 c = at(i);
	if (word_byte(c) || ((c == '-' || c == '.' || c == '/' || c == ':') && digit_at(i + 1))) return 0;
	return p.sep[g] != '('; // the area alone
}

static u32 group(u32 g) { return p.count[g] - (g ? p.count[g - 1] : 0); }

static int same_separators(u32 g) {
	for (u32 i = 2; i <= g; i++)
		if (p.sep[i] != p.sep[1] && p.sep[1] != '/' && p.sep[1] != ')') return 0;
	return 1;
}

// grouped_334 tells whether groups first.. are 3-3-4 and end the number, and clearly so.
static int grouped_334(u32 g, u32 first, int named) {
	if (g != first + 2 || group(first) != 3 || group(first + 1) != 3 || group(first + 2) != 4) return 0;
	return named || p.paren || first || (p.sep[first + 2] != ' ' && p.sep[first + 1] == p.sep[first + 2]);
}

static int dated(u32 g) { return g >= 2 && group(0) <= 2 && group(1) <= 2 && group(2) == 4; }

// trunk judges a national number: 0, then an area that does not begin with 0.
static int trunk(u32 g, int named) {
	u32 n = p.count[g];
	if (p.digit[0] != 0 || p.digit[1] == 0) return 0;
	if (named) return n >= 9 && n <= 12;
	if (n < 10 || n > 11 || g < 1 || group(0) < 2 || dated(g) || !same_separators(g)) return 0;
	for (u32 i = 0; i <= g; i++)
		if (group(i) < 2) return 0;
	return 1;
}

static int valid(u32 g, int named) {
	u32 n = p.count[g];
	if (p.plus) return international(0, n);
	if (p.digit[0] == 0 && p.digit[1] == 0) return n > 10 && (named || g) && international(2, n);
	if (grouped_334(g, 0, named) && north_american(0, n)) return 1;
	if (n == 11 && p.digit[0] == 1 && group(0) == 1 && grouped_334(g, 1, named)) return north_american(1, 10);
	return trunk(g, named) || (named && n >= 7 && !dated(g));
}

// misplaced tells that what stands in front makes it no phone: a longer number, an amount, a reference.
static int misplaced(u32 t) {
	u32 c = behind(t, 1);
	if (c == '$' || c == '#' || c == '+') return 1;
	if (c == ':') return (classes[behind(t, 2)] & C_DIGIT) != 0;
	return (c == '-' || c == '.' || c == '/' || c == ',') && word_byte(behind(t, 2));
}

static int named(u32 t) {
	return word_before(t, "phone telephone tel mobile mob cell cellphone fax call text whatsapp sms dial handy contact", 3);
}

// referenced: an invoice 0495/947403 is none.
static int referenced(u32 t) {
	return word_before(t, "invoice order ref reference parcel lot ticket case contract account part item serial rechnung bestellung", 1);
}

// bare tells of digits in groups that only a name in front could make a phone number: no +, no trunk 0, no area in parentheses
// or of three digits. (number has been read.)
static int bare(u32 t) {
	if (!digit_at(t) || at(t) == '0' || !number.groups) return 0;
	u32 first = number.count[0], behind_all = number.end[number.groups - 1];
	return first != 3 && (first != 1 || at(t) != '1') && at(behind_all) != '(' && at(behind_all) != ')' && at(behind_all + 1) != '(';
}

void find_phone(u32 t) {
	if (misplaced(t)) return;
	int name = bare(t) ? named(t) : -1; // -1: not known yet
	if (!name) return;
	collect(t);
	if (!p.groups || p.digits < 7) return;
	for (u32 g = p.groups; g-- > 0;) {
		if (!valid(g, 1) || !ends(p.end[g], g)) continue;
		if (!(valid(g, 0) && (p.plus || p.digit[0] || !referenced(t)))) {
			if (name < 0) name = named(t);
			if (!name) continue;
		}
		offer(PHONE, p.end[g], 0);
		return;
	}
}
