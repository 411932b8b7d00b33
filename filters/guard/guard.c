// guard: finds phrases and patterns in text, scores it, and gives a verdict where the configuration asks for one.
//
// on_text scans from where the text held back begins. Held back is what may yet belong to a finding; what that is, the parts
// say themselves: each knows from where it needs the text again.
#include "guard.h"

SLUICE_ARENA(SLUICE_WINDOW + SLUICE_CONTEXT + 64)

#define HIDDEN_RUN 8 // invisible characters in a row that hide something

static struct {
	u8 before;                     // what the last character was: LINE to WORD
	u32 invisible, invisible_from; // characters in a row that are left out
	u32 again;                     // not 0: the scan is the second one, from there
	u32 live;                      // characters that patterns are under way for
	struct {
		u32 from; // where a scan may begin that is to find what begins at this character
		u8 before;
		u8 junk;
	} lives[64]; // of the last 64 of them: a pattern is no longer
} chars;

static int word_char(u32 c) { return is_letter(c) || is_digit(c) || c & IDEOGRAPH; }

// note_live keeps from where a pattern that begins at i can be found again: a place where the words are the same, too.
static void note_live(u32 i, u8 before) {
	u32 k = chars.live++ % 64, from = i;
	int junk = compound_junk();
	if (chars.again) from = chars.again, before = WORD, junk = 0;
	else if (!junk) compound_open(&from, &before);
	chars.lives[k].from = from, chars.lives[k].before = before, chars.lives[k].junk = (u8)junk;
}

static void feed(u32 c, u32 i) {
	if (!pattern_live) {
		if (!(pattern_first[c < 128 ? c : 128] >> chars.before & 1)) return;
		chars.live = 0;
	}
	note_live(i, chars.before);
	pattern_feed(c, chars.before);
}

// feed_run feeds all white space in a row as one space.
static void feed_run(u32 c, u32 i) {
	if (c != ' ' && c != '\n') {
		feed(c, i);
		chars.before = word_char(c) ? WORD : INSIDE;
		return;
	}
	if (chars.before >= INSIDE) feed(' ', i);
	if (c == '\n') chars.before = LINE;
	else if (chars.before >= INSIDE) chars.before = SPACE;
}

// step takes the character at i, or the two that it stands for, to the patterns and then to the words.
static void step(u32 c, u32 second, u32 i, u32 end) {
	u32 before = chars.before;
	chars.invisible = 0;
	feed_run(c, i);
	if (second) feed_run(second, i);
	if (!word_char(c)) {
		compound_other(c, i);
		return;
	}
	compound_letter(c, i, end, before);
	if (second) compound_letter(second, i, end, before);
}

// next is the character at i, after what is invisible is counted: DROP where nothing is to be done.
static u32 next(u32 i, u32 *width) {
	u32 c = text.b[i];
	*width = 1;
	if (c < 0x80 && c != '\\') return ascii_fold(c);
	c = unit(i, width);
	if (c != DROP) return c;
	if (!chars.invisible++) chars.invisible_from = i;
	if (chars.invisible < HIDDEN_RUN) return DROP;
	chars.invisible = 0;
	return SYMBOL | PAIR; // a run that hides something
}

static u32 run(u32 i) {
	u32 width;
	int plain = !pattern_after_word();
	for (; i < text.n && !scan.over; i += width) {
		if (!pattern_live && !chars.invisible) { // within a word no pattern begins
			i = compound_run(i);
			if (plain) i = compound_plain(i, &chars.before);
			if (i == text.n || scan.over) break;
		}
		u32 c = next(i, &width);
		if (!width) break;
		scan.at = i + width;
		if (c == DROP) continue;
		if (c == (SYMBOL | PAIR)) {
			finding(hidden_list, hidden_weight, scan.at, scan.at);
			step(SYMBOL, 0, i, scan.at);
		} else if (c & PAIR) {
			step(c >> 8 & 127, c & 127, i, scan.at);
		} else {
			step(c, 0, i, scan.at);
		}
	}
	return i;
}

void scan_again(u32 from) {
	u32 active = scan.active, width, to = scan.at < text.n ? scan.at : text.n;
	scan.active = 0; // told once already
	pattern_begin();
	chars.before = WORD, chars.invisible = 0, chars.again = from;
	for (u32 i = from; i < to; i += width) {
		u32 c = next(i, &width);
		if (c == DROP) continue;
		chars.invisible = 0;
		if (c & PAIR && c != (SYMBOL | PAIR)) feed_run(c >> 8 & 127, i);
		feed_run(c == (SYMBOL | PAIR) ? SYMBOL : c & PAIR ? c & 127 : c, i);
	}
	chars.again = 0;
	scan.active = active;
}

static struct {
	u32 at;
	u8 before;
	int junk;
} clean; // where the next scan may begin

static void lower(int wanted, u32 at, u8 before, int junk) {
	if (wanted && at < clean.at) clean.at = at, clean.before = before, clean.junk = junk;
}

// hold_back finds the first place that something under way at i needs.
static void hold_back(u32 i) {
	u32 from = 0;
	u8 before = 0;
	int wanted;
	clean.at = i, clean.before = chars.before, clean.junk = compound_junk();
	lower(chars.invisible > 0, chars.invisible_from, chars.before, compound_junk());
	u32 k = chars.live > 64 ? chars.live % 64 : 0;
	lower(pattern_live != 0, chars.lives[k].from, chars.lives[k].before, chars.lives[k].junk);
	wanted = compound_open(&from, &before);
	lower(wanted, from, before, 0);
	wanted = compound_pending(&from, &before);
	lower(wanted, from, before, 0);
	wanted = phrase_waiting(compound_number(), i, &from, &before);
	lower(wanted, from, before, 0);
}

static u32 active_lists(u32 flags) {
	u32 on = SLUICE_ANSWER(flags) ? ON_ANSWER : ON_REQUEST, role = 1u << SLUICE_ROLE(flags), all = 0;
	for (u32 l = 0; l < lists_len; l++)
		if (lists[l].in_use && lists[l].on & on && lists[l].roles & role) all |= 1u << l;
	return all;
}

// The word of continuation: bits 0-12 how far the scan was behind what is settled, 13 junk, 14-15 before, 16-22 score,
// 24-55 counts.
static u64 pack(u32 i) {
	return (u64)(i - clean.at) | (u64)clean.junk << 13 | (u64)clean.before << 14 | (u64)scan.score << 16 | (u64)scan.counts << 24;
}

static void unpack(u64 state, u32 left) {
	static u32 number = 1024;
	scan.told = left + (u32)(state & 8191);
	scan.score = state >> 16 & 127, scan.counts = (u32)(state >> 24);
	scan.changed = 0, scan.over = 0, scan.span_end = left;
	chars.before = state >> 14 & 3, chars.invisible = 0;
	if (compound_number() > number) number = compound_number();
	number += 2 * REACH; // words of an earlier text are out of reach
	pattern_begin();
	compound_begin(number, state >> 13 & 1);
	phrase_begin(number);
}

SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) { return SLUICE_TEXT_REQUEST | SLUICE_TEXT_ANSWER; }

SLUICE_EXPORT(on_text) i64 on_text(const u8 *buffer, u32 len, u32 flags, u64 state) {
	u32 left = SLUICE_LEFT(flags);
	text.b = buffer, text.n = len;
	text.final = SLUICE_END(flags), text.arguments = SLUICE_ARGUMENTS(flags);
	unpack(state, left);
	scan.active = active_lists(flags);
	u32 i = scan.active ? run(left) : len;
	if (text.final && !scan.over && scan.active) scan.at = len + 1, compound_end();
	tell_labels();
	if (text.final || scan.over || !scan.active) return len;
	hold_back(i);
	u64 word = pack(i);
	if (word != state) sluice_next_state(word);
	return clean.at;
}
