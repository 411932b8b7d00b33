// Words. Letters and figures make words; words that single signs link ("how-to", "pa$$word"), or single letters with single
// spaces between them ("b o m b"), make a compound, which may be read as one word. A compound is judged when the next one is
// known, since that may make an exception of its last word ("bomb shelter").
#include "packed.h"

#define MAX_PARTS 24
#define MAX_JOINED MAX_WORD
#define MAX_COMPOUND 160 // bytes; then the next word begins another
#define MAX_RUN MAX_WORD // letters and figures in a row; more are no word
#define MAX_SIGNS 16     // bytes of signs behind a word that it may go on after
#define APART 64         // bytes between words that are no neighbours any more

enum { BROKEN, PLAIN, LEET, SPACED, FRESH }; // the link behind the last word; FRESH: nothing stands there yet

static struct {
	u32 letters[MAX_WORD], n; // as append_letter makes them
	u32 digits, run;
	u32 start, end;
	u8 before;
	int on;
} word;

static struct {
	u32 start, end;
	look_t look;
} parts[MAX_PARTS];

static struct {
	u32 start, parts, digits;
	u32 joined[MAX_JOINED], joined_n; // its letters, and those that signs behind the last word stand for
	u32 whole_n;                      // the letters up to the last word's end
	u8 before, link, gap;
	int single; // only single letters so far
	int junk;
} comp;

static struct {
	int dot, line, gap;
} between; // what stands between compounds

static struct {
	word_t words[MAX_PARTS];
	u32 n, end;
} pending;

static word_t last; // the word judged last
static int has_last;
static u32 number;

void compound_begin(u32 first_number, int junk) {
	number = first_number;
	word.on = 0, comp.parts = 0, comp.link = FRESH, comp.junk = junk;
	pending.n = 0, has_last = 0;
	between.dot = between.line = between.gap = 0;
}

int compound_junk(void) { return comp.junk; }
u32 compound_number(void) { return pending.n ? pending.words[0].number : number; }

static int neighbours(const word_t *a, const word_t *b) { return a->number + 1 == b->number; }

// judge hands the pending words on, but for exceptions. next: the word behind them, or 0.
static void judge(const word_t *next) {
	scan.redact = 0;
	for (u32 k = 0; k < pending.n; k++) {
		word_t *w = &pending.words[k];
		const word_t *after = k + 1 < pending.n ? w + 1 : next;
		int excepted = has_last && neighbours(&last, w) && vocab_excepted(&last.look, &w->look);
		if (!excepted && after && neighbours(w, after)) excepted = vocab_excepted(&w->look, &after->look);
		if (!excepted && w->look.n) phrase_word(w);
		last = *w, has_last = 1;
	}
	pending.n = 0;
	if (!next) has_last = 0;
	if (!scan.redact) return;
	scan.redacted = pending.end, has_last = 0;
	phrase_forget(last.number + 1);
	scan_again(pending.end);
}

static word_t new_words[MAX_PARTS];
static u32 new_n;

static void add_word(look_t look, u32 start, u32 end) {
	if (look.stop || new_n == MAX_PARTS) return;
	new_words[new_n++] = (word_t){look, start, end, 0, comp.start, comp.before};
}

// split reads letters as words run together.
static int split(const u32 *letters, u32 n, u32 start, u32 end) {
	u16 ids[16];
	u32 least = comp.parts > 1 ? 4 : 9; // single letters are rarely words of one letter
	u32 count = n >= least ? vocab_split(letters, n, ids, 16) : 0;
	for (u32 k = 0; k < count; k++) add_word((look_t){{ids[k]}, 1, id_flags[ids[k]] & ID_STOP}, start, end);
	return count > 0;
}

// read_joined reads the whole compound as one word, or as words run together.
static int read_joined(u32 end) {
	look_t look = vocab_look(comp.joined, comp.whole_n, comp.digits);
	if (vocab_flags(&look) & ID_USED || (comp.single && look.n)) return add_word(look, comp.start, end), 1;
	return comp.single && split(comp.joined, comp.whole_n, comp.start, end);
}

// hand_over makes the new words those that wait, and judges those before.
static void hand_over(u32 end) {
	number += comp.gap;
	comp.parts = 0, comp.link = FRESH, comp.gap = 0;
	if (!new_n) return;
	for (u32 k = 0; k < new_n; k++) new_words[k].number = number++;
	judge(&new_words[0]);
	for (u32 k = 0; k < new_n; k++) pending.words[k] = new_words[k];
	pending.n = new_n, pending.end = end;
}

// flush ends the compound at hand.
static void flush(void) {
	if (!comp.parts) return;
	u32 end = parts[comp.parts - 1].end;
	if (pending.n && comp.start - pending.end > APART) judge(0);
	new_n = 0;
	if (comp.parts < 2) split(comp.joined, parts[0].look.n ? 0 : comp.whole_n, comp.start, end);
	if (!new_n && (comp.parts < 2 || !read_joined(end)))
		for (u32 k = 0; k < comp.parts; k++) add_word(parts[k].look, parts[k].start, parts[k].end);
	hand_over(end);
}

// word_alone is flush for a word that nothing links, the usual one. readable: its letters are there, to be read as words run
// together where it is not known.
static void word_alone(look_t look, int readable) {
	if (pending.n && word.start - pending.end > APART) judge(0);
	comp.start = word.start, comp.before = word.before, comp.gap = (u8)between.gap;
	between.gap = 0;
	new_n = 0;
	if (look.n) {
		add_word(look, word.start, word.end);
	} else if (!readable || !split(word.letters, word.n, word.start, word.end)) { // of no phrase: nothing waits for it
		if (pending.n) judge(0);
		has_last = 0;
		number += comp.gap + 1u;
		comp.gap = 0;
		return;
	}
	hand_over(word.end);
}

static void join_letter(u32 c) {
	if (comp.joined_n < MAX_JOINED && (!comp.joined_n || comp.joined[comp.joined_n - 1] != c || is_digit(c))) comp.joined[comp.joined_n++] = c;
}

static int linked(void) {
	if (comp.parts == MAX_PARTS || word.end - comp.start > MAX_COMPOUND || comp.joined_n + word.n > MAX_JOINED) return 0;
	return comp.link == PLAIN || comp.link == LEET || (comp.link == SPACED && comp.single && word.run == 1);
}

static void begin_compound(void) {
	comp.start = word.start, comp.before = word.before;
	comp.joined_n = comp.whole_n = comp.digits = 0, comp.single = 1;
	comp.gap = (u8)between.gap;
	between.dot = between.line = between.gap = 0;
}

// end_word ends the word at hand; may_link: what follows may link another to it.
static void end_word(int may_link) {
	word.on = 0;
	if (comp.parts && !linked()) flush();
	if (!comp.parts) {
		if (!may_link) {
			word_alone(vocab_look(word.letters, word.n, word.digits), 1);
			return;
		}
		begin_compound();
	}
	for (u32 i = 0; i < word.n; i++) join_letter(word.letters[i]);
	comp.whole_n = comp.joined_n;
	comp.digits += word.digits;
	comp.single &= word.run == 1;
	parts[comp.parts].start = word.start, parts[comp.parts].end = word.end;
	parts[comp.parts++].look = vocab_look(word.letters, word.n, word.digits);
	comp.link = FRESH;
}

static void begin_word(u32 i, u32 before) {
	word.on = 1, word.n = word.digits = word.run = 0;
	word.start = i, word.before = (u8)before;
	between.dot = between.line = 0;
}

static void letter_alone(u32 c, u32 i, u32 end, u32 before) {
	if (word.on) end_word(0);
	flush();
	begin_word(i, before);
	word.letters[0] = c, word.n = word.run = 1, word.end = end;
	end_word(0);
}

void compound_letter(u32 c, u32 i, u32 end, u32 before) {
	if (comp.junk) {
		if (pending.n && i - pending.end > APART) judge(0);
		return;
	}
	if (c & IDEOGRAPH) {
		letter_alone(c, i, end, before);
		return;
	}
	if (!word.on) begin_word(i, before);
	word.n = append_letter(word.letters, word.n, c);
	word.digits += is_digit(c);
	word.end = end;
	if (++word.run > MAX_RUN || end - word.start > 4 * MAX_COMPOUND) {
		word.on = 0;
		flush();
		comp.junk = 1;
	}
}

// links says what a sign between two words makes of them.
static const u8 links[128] = { // else BROKEN
	['@'] = LEET, ['$'] = LEET, ['!'] = LEET, ['|'] = LEET, ['-'] = PLAIN, ['_'] = PLAIN, ['.'] = PLAIN,
	[','] = PLAIN, ['*'] = PLAIN, ['~'] = PLAIN, ['/'] = PLAIN, ['+'] = PLAIN, ['^'] = PLAIN, ['='] = PLAIN, [' '] = SPACED,
};

static void note_between(u32 c) {
	if (c == '.' || c == '!' || c == '?' || c == ';' || c == ':') between.dot = 1;
	if ((c == ' ' || c == '\n') && between.dot) between.gap = 1;
	if (c == '\n' && between.line) between.gap = 1;
	if (c == '\n') between.line = 1;
}

void compound_other(u32 c, u32 i) {
	if (c == '\'' && word.on && i - word.end < MAX_SIGNS) return;
	u32 link = c < 128 ? links[c] : BROKEN;
	comp.junk = 0;
	if (word.on) end_word(link == SPACED ? word.run == 1 : link != BROKEN);
	note_between(c);
	if (!comp.parts) {
		if (pending.n && i - pending.end > APART) judge(0);
		return;
	}
	if ((link == SPACED && !comp.single) || (comp.link != FRESH && (comp.link != LEET || link != LEET))) link = BROKEN;
	if (i - parts[comp.parts - 1].end > MAX_SIGNS) link = BROKEN;
	comp.link = (u8)link;
	if (link == LEET) join_letter(c == '@' ? 'a' : c == '$' ? 's' : c == '!' ? 'i' : 'l');
	if (link == BROKEN) flush();
}

void compound_end(void) {
	if (word.on) end_word(0);
	flush();
	judge(0);
}

// plain is what a byte of plain text adds to a word: the letter or figure, or 0.
static const u8 plain[256] = {
#define BOTH_CASES(c) [c] = c, [c - 32] = c
	BOTH_CASES('a'), BOTH_CASES('b'), BOTH_CASES('c'), BOTH_CASES('d'), BOTH_CASES('e'), BOTH_CASES('f'), BOTH_CASES('g'),
	BOTH_CASES('h'), BOTH_CASES('i'), BOTH_CASES('j'), BOTH_CASES('k'), BOTH_CASES('l'), BOTH_CASES('m'), BOTH_CASES('n'),
	BOTH_CASES('o'), BOTH_CASES('p'), BOTH_CASES('q'), BOTH_CASES('r'), BOTH_CASES('s'), BOTH_CASES('t'), BOTH_CASES('u'),
	BOTH_CASES('v'), BOTH_CASES('w'), BOTH_CASES('x'), BOTH_CASES('y'), BOTH_CASES('z'),
	['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9',
};

u32 compound_run(u32 i) {
	if (!word.on) return i;
	const u8 *b = text.b;
	u32 n = word.n, from = i, room = MAX_RUN - word.run, end = text.n - i < room ? text.n : i + room;
	u32 last_letter = n ? word.letters[n - 1] : 0;
	for (; i < end; i++) {
		u32 c = plain[b[i]];
		if (!c) break;
		if (c < 'a') word.digits++;
		else if (c == last_letter) continue;
		word.letters[n++] = last_letter = c;
	}
	if (i > from) word.n = n, word.run += i - from, word.end = i;
	return i;
}

int compound_open(u32 *from, u8 *before) {
	if (comp.parts) return *from = comp.start, *before = comp.before, 1;
	if (word.on) return *from = word.start, *before = word.before, 1;
	return 0;
}

int compound_pending(u32 *from, u8 *before) {
	u32 all = 0;
	for (u32 k = 0; k < pending.n; k++) all |= vocab_flags(&pending.words[k].look);
	if (!(all & (ID_USED | ID_FIRST))) return 0;
	const word_t *w = &pending.words[0];
	if (has_last && neighbours(&last, w) && (vocab_flags(&last.look) & ID_FIRST)) w = &last;
	*from = w->from, *before = w->before;
	return 1;
}

// read_plain reads the word of plain text at i into word and gives where it ends.
static u32 read_plain(u32 i) {
	const u8 *b = text.b;
	u32 n = 0, digits = 0, last_letter = 0, c, start = i;
	for (; i < text.n && (c = plain[b[i]]); i++) {
		if (c < 'a') digits++;
		else if (c == last_letter) continue;
		last_letter = c;
		if (n < MAX_WORD) word.letters[n++] = c;
	}
	word.n = n, word.digits = digits, word.run = i - start, word.start = start, word.end = i;
	return i;
}

// far_end finds the end of the word whose first eight letters stand at i. Where that is too far, it is at a letter.
static u32 far_end(u32 i) {
	u32 most = i + MAX_RUN;
	for (i += 8; i < most && i + 16 <= text.n; i += 8) {
		u64 others = packed_others(packed_load(text.b + i));
		if (others) return i + (u32)__builtin_ctzll(others) / 8;
	}
	return i < most ? i : most;
}

// plain_t is a word of plain text.
typedef struct {
	u32 id, end;
	u32 next;   // where the next one may begin
	u32 behind; // what stands between them: DOT, GAP and NEWLINE as in between; PLACE times what stands before the next one
} plain_t;
enum { DOT = 1, GAP = 2, NEWLINE = 4, SETTLED = 8, PLACE = 16 }; // SETTLED: the first sign behind it says that nothing is linked to it

enum { OTHERS, LETTERS, READ }; // for others to read; for read_plain; done

// read_sign reads a sign behind a word, and a space behind that.
static inline int read_sign(u32 sign, plain_t *to) {
	u32 spaced = text.b[to->end + 1] == ' ';
	if (spaced && (sign == '.' || sign == ',')) {
		to->next++;
		if (sign == '.') to->behind |= DOT | GAP;
		return READ;
	}
	if (plain[sign]) return LETTERS;
	if ((sign != '\n' && sign != '?' && sign != ':' && sign != ';' && sign != ')' && sign != '"') || pattern_first[sign] >> WORD & 1) return OTHERS;
	u32 dot = sign == '?' || sign == ':' || sign == ';';
	to->behind = SETTLED | dot * DOT | INSIDE * PLACE;
	if (sign == '\n') to->behind = SETTLED | NEWLINE | LINE * PLACE;
	else if (spaced) to->next++, to->behind = SETTLED | dot * (DOT | GAP) | SPACE * PLACE;
	return READ;
}

// find_packed finds the word of seven letters at most.
static inline int find_packed(u64 w, plain_t *to) {
	w = packed_once(w);
	if (w >= 1 << 16 && !vocab_begin(packed_beginning(w))) return READ;
	to->id = vocab_find(w);
	return vocab_prefixes ? LETTERS : READ;
}

// read_packed reads the word of plain text at i.
static inline int read_packed(u32 i, u32 before, plain_t *to) {
	u64 w = packed_load(text.b + i), others = packed_others(w);
	if (pattern_first[w & 127] >> before & 1 && pattern_begins(w)) return OTHERS;
	to->end = others ? i + (u32)__builtin_ctzll(others) / 8 : far_end(i);
	to->next = to->end + 1, to->behind = SPACE * PLACE, to->id = NONE;
	u32 sign = text.b[to->end];
	if (sign != ' ') {
		int how = read_sign(sign, to);
		if (how != READ) return how;
	}
	if (!others) return vocab_far(w) ? LETTERS : READ;
	w &= ((others & -others) - 1) >> 7;
	return w < 256 ? OTHERS : find_packed(w, to);
}

static void note_behind(u32 behind) {
	between.line = (behind & NEWLINE) != 0, between.dot = behind & DOT, between.gap = (behind & GAP) != 0;
}

// take judges what waits for the word, or makes it wait. w is a copy, as a struct that is pointed to
// can't stay in locals.
static void take(look_t look, int readable, plain_t w, u8 *before) {
	scan.at = w.behind & SETTLED ? w.end + 1 : w.next;
	word.start = w.end - word.run, word.end = w.end;
	word.before = *before, *before = (u8)(w.behind / PLACE);
	word_alone(look, readable);
	note_behind(w.behind);
}

// skim passes over plain words from *at on that are of no phrase, and over fillers, all in locals, and takes the first one that
// is more, or that others wait for. Else it says who has to go on at *at.
static int skim(u32 *at, u8 *place) {
	u32 i = *at, counted = 0, fillers = 1, behind = *place * PLACE | (between.gap ? GAP : 0), filler = 0;
	plain_t w;
	int how, waits = pending.n != 0;
	while ((how = i + 24 > text.n ? LETTERS : read_packed(i, behind / PLACE, &w)) == READ) {
		filler = w.id != NONE && id_flags[w.id] & ID_STOP;
		if (waits || (w.id != NONE && !filler)) break;
		counted += (behind & GAP) / GAP + !filler;
		fillers &= filler;
		behind = w.behind;
		i = w.next;
	}
	if (i != *at) note_behind(behind), has_last &= (int)fillers, number += counted;
	*place = (u8)(behind / PLACE), *at = i;
	if (how != READ) return how;
	if (filler && waits && w.behind & SETTLED) return OTHERS; // its sign may be too far from what waits
	word.run = w.end - i, *at = w.next;
	take(w.id == NONE ? (look_t){{0}, 0, 0} : (look_t){{(u16)w.id}, 1, (u8)filler}, 0, w, place);
	return READ;
}

// begins_pattern is 1 where the word of plain text just read may begin a pattern.
static int begins_pattern(u32 before) {
	const u8 *b = text.b + word.start;
	if (!(pattern_first[word.letters[0]] >> before & 1)) return 0;
	return word.run < 3 || is_digit(word.letters[0]) || pattern_begins((u64)(b[0] | b[1] << 8 | b[2] << 16) | 0x202020);
}

// compound_plain takes words of plain text that a space follows, or a comma or full stop and a space, or in places another
// sign: what most text is made of. It does what compound_letter and compound_other would do, in fewer steps.
u32 compound_plain(u32 i, u8 *before) {
	if (word.on || comp.parts || comp.junk) return i;
	while (!scan.over) {
		int how = skim(&i, before);
		if (how == READ) continue;
		if (how == OTHERS) break;
		u32 start = i, end = read_plain(i), after = end;
		if (word.run < 2 || word.run > MAX_RUN || begins_pattern(*before)) return start;
		u32 dot = end < text.n && text.b[end] == '.';
		if (dot || (end < text.n && text.b[end] == ',')) after++;
		if (after >= text.n || text.b[after] != ' ') return start;
		i = after + 1;
		take(vocab_look(word.letters, word.n, word.digits), 1, (plain_t){NONE, end, i, dot * (DOT | GAP) | SPACE * PLACE}, before);
	}
	return i;
}
