// Patterns: rows of characters and classes, all run at once by Shift-And (Baeza-Yates and Gonnet, 1992): one bit for each
// position of each pattern, one shift and one mask for each character. Nothing is tried twice, whatever the text.
//
// A pattern lies within one word of 64 bits. Its first bit is set anew for each character (for each line's first, where it
// begins with ^; where no word goes on, where it begins with a letter), so a shift out of the pattern below does no harm
// once the first bits are masked.
#include "guard.h"

#define LANES 16   // words of 64 positions
#define MAX_LEN 63 // positions of a pattern
#define OTHER 128 // the row of all characters outside ASCII

u8 pattern_first[129];
u64 pattern_live;

// By the first letter of patterns: a bit for each letter that may be their second, their third. All, where there is none.
static u32 seconds[32], thirds[32];

static u64 rows[129][LANES]; // which positions take a character
static u64 firsts[LANES], lasts[LANES], state[LANES];
static u64 begins[4][LANES]; // the firsts of those that may begin after LINE, SPACE, INSIDE, WORD
static u8 used[LANES], list_at[LANES][64], weight_at[LANES][64];
static u32 lanes;

void pattern_reset(void) {
	for (u32 c = 0; c < 129; c++) {
		pattern_first[c] = 0;
		for (u32 w = 0; w < LANES; w++) rows[c][w] = 0;
	}
	for (u32 w = 0; w < LANES; w++) used[w] = 0, firsts[w] = lasts[w] = begins[LINE][w] = begins[SPACE][w] = begins[INSIDE][w] = begins[WORD][w] = 0;
	for (u32 c = 0; c < 32; c++) seconds[c] = thirds[c] = 0;
	lanes = 0;
}

// pattern_begins spares a word the patterns, character by character, where they would be dead at its third letter.
int pattern_begins(u64 w) {
	u32 first = w & 31, second = w >> 8 & 127, third = w >> 16 & 127;
	if (second - 'a' >= 26 || !(seconds[first] >> (second & 31) & 1)) return second - 'a' >= 26;
	return third - 'a' >= 26 || thirds[first] >> (third & 31) & 1;
}

static u32 letters_of(const u64 *taken) { return (u32)(taken[1] >> 32); } // as seconds has them

static void note_start(u64 (*sets)[3], u32 len) {
	u32 starts = letters_of(sets[0]);
	for (u32 c = 1; c < 27; c++) {
		if (!(starts >> c & 1)) continue;
		seconds[c] |= letters_of(sets[1]);
		thirds[c] |= len > 2 ? letters_of(sets[2]) : ~0u;
	}
}

void pattern_begin(void) {
	for (u32 w = 0; w < lanes; w++) state[w] = 0;
	pattern_live = 0;
}

int pattern_after_word(void) {
	return (pattern_first[' '] | pattern_first[','] | pattern_first['.']) & (1 << INSIDE | 1 << WORD);
}

// tell reports every pattern of the lane whose last position was reached.
static void tell(u32 w, u64 reached) {
	for (; reached; reached &= reached - 1) {
		u32 bit = (u32)__builtin_ctzll(reached);
		finding(list_at[w][bit], weight_at[w][bit], scan.at, scan.at);
	}
}

void pattern_feed(u32 c, u32 place) {
	const u64 *row = rows[c < 128 ? c : OTHER], *begin = begins[place];
	u64 live = 0;
	for (u32 w = 0; w < lanes; w++) {
		u64 s = ((state[w] << 1 & ~firsts[w]) | begin[w]) & row[w];
		if (s & lasts[w]) tell(w, s & lasts[w]);
		live |= state[w] = s & ~lasts[w];
	}
	pattern_live = live;
}

// set is what a position takes, as it is read: a bit for each of 129 characters.
static u64 set[3];

static void add(u32 c) { set[c >> 6] |= 1ull << (c & 63); }

static void add_range(u32 from, u32 to) {
	for (u32 c = from; c <= to; c++) add(c < 128 ? ascii_fold(c) : OTHER);
}

static void add_class(u32 c) {
	if (c == 'd' || c == 'w') add_range('0', '9');
	if (c == 'w') add_range('a', 'z'), add('_'), add(OTHER);
	if (c == 's') add(' ');
}

// read_escape takes what stands behind a backslash. 0: it is not known.
static int read_escape(u32 c) {
	if (c == 'd' || c == 'w' || c == 's') return add_class(c), 1;
	if ((c | 32) - 'a' < 26 || c - '0' < 10 || c >= 0x80) return 0;
	add(c);
	return 1;
}

static const char *read_set(const u8 *s, u32 n, u32 *i) {
	static const char open[] = "pattern: [ is not closed";
	for (++*i;; ++*i) {
		if (*i >= n) return open;
		u32 c = s[*i];
		if (c == ']') return 0;
		if (c >= 0x80 || c == '^') return "pattern: in [ ] only ASCII is taken, and no ^";
		if (c == '\\') {
			if (++*i >= n || !read_escape(s[*i])) return "pattern: an escape is unknown; \\d \\w \\s and escaped punctuation are known";
			continue;
		}
		if (*i + 2 < n && s[*i + 1] == '-' && s[*i + 2] != ']') {
			if (s[*i + 2] < c || s[*i + 2] >= 0x80) return "pattern: a range in [ ] runs backwards or out of ASCII";
			add_range(c, s[*i + 2]), *i += 2;
			continue;
		}
		add_range(c, c);
	}
}

// read_item reads one position into set. The result is what is wrong, or 0.
static const char *read_item(const u8 *s, u32 n, u32 *i) {
	u32 c = s[*i];
	set[0] = set[1] = set[2] = 0;
	if (c == '[') return read_set(s, n, i);
	if (c == '\\')
		return ++*i < n && read_escape(s[*i]) ? 0 : "pattern: an escape is unknown; \\d \\w \\s and escaped punctuation are known";
	if (c == '*' || c == '+' || c == '?' || c == '{' || c == '(' || c == ')' || c == '|' || c == '$' || c == '^' || c == ']' || c == '}')
		return "pattern: no repetition, groups, alternatives or anchors but ^ in front; write several patterns, and \\ before a sign meant as such";
	if (c == '.') return add_range(0, 128), (const char *)0;
	u32 width = 1;
	text.b = s, text.n = n, text.final = 1, text.arguments = 0;
	u32 u = unit(*i, &width);
	*i += width - 1;
	if (u & PAIR) return "pattern: a letter that stands for two is not taken; write both";
	if (u == DROP) return "pattern: it has an invisible character; remove it";
	if (u >= 128) return "pattern: letters outside ASCII are not told apart; put them into a phrase";
	add(u == '\n' ? ' ' : u);
	return 0;
}

const char *pattern_add(u32 list, u32 weight, const u8 *s, u32 n) {
	static u64 sets[MAX_LEN][3];
	u32 len = 0, i = 0, line = n && s[0] == '^';
	for (i = line; i < n; i++) {
		const char *fault = read_item(s, n, &i);
		if (fault) return fault;
		if (len == MAX_LEN) return "pattern: more than 63 characters; shorten it";
		for (u32 k = 0; k < 3; k++) sets[len][k] = set[k];
		len++;
	}
	if (len < 2) return "pattern: fewer than 2 characters would match almost anywhere; lengthen it";
	u32 w = 0;
	while (w < LANES && used[w] + len > 64) w++;
	if (w == LANES) return "pattern: more than 1024 characters in all patterns together; remove some";
	if (w >= lanes) lanes = w + 1;
	u32 at = used[w];
	used[w] = (u8)(at + len);
	int word = 0; // it may begin with a letter or figure
	for (u32 k = 0; k < len; k++)
		for (u32 part = 0; part < 3; part++)
			for (u64 left = sets[k][part]; left; left &= left - 1) {
				u32 c = part * 64 + (u32)__builtin_ctzll(left);
				rows[c][w] |= 1ull << (at + k);
				word |= !k && (is_letter(c) || is_digit(c));
			}
	u32 places = line ? 1 << LINE : 1 << LINE | 1 << SPACE | 1 << INSIDE | !word << WORD;
	for (u32 c = 0; c < 129; c++)
		if (sets[0][c >> 6] >> (c & 63) & 1) pattern_first[c] |= (u8)places;
	note_start(sets, len);
	firsts[w] |= 1ull << at;
	for (u32 k = LINE; k <= WORD; k++)
		if (places >> k & 1) begins[k][w] |= 1ull << at;
	lasts[w] |= 1ull << (at + len - 1);
	list_at[w][at + len - 1] = (u8)list, weight_at[w][at + len - 1] = (u8)weight;
	return 0;
}
