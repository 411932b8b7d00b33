// Phrases: rows of slots, each a choice of words. A phrase is found where its slots are filled within a window of words: as many
// as it has slots, and its gap. In a row of fixed order each slot keeps the latest beginning of what leads up to it; else each
// keeps where it was filled last. Either follows from the words of the window alone, so a scan may begin anywhere before it.
#include "guard.h"

#define MAX_PHRASES 1024
#define MAX_SLOTS_ALL 4096
#define MAX_POSTINGS 8192
#define MAX_POSTED 256 // phrases that one word may be in
#define RING 64

static struct {
	u16 slot; // its first one
	u8 slots, window, any, list, weight;
} phrases[MAX_PHRASES];
static u32 phrases_len, slots_len;

static struct {
	u16 next, phrase;
	u8 slot;
} postings[MAX_POSTINGS + 1]; // 0 is none
static u32 postings_len;
static u16 heads[2048]; // by id
static u16 posted[2048];

static u32 filled[MAX_SLOTS_ALL];
static struct {
	u32 number, until; // until: the last word that a phrase which begins here can have
	u32 start, from;
	u8 before;
} ring[RING];
static u32 first; // words before this one do not count

void phrase_reset(void) {
	phrases_len = slots_len = postings_len = 0;
	for (u32 i = 0; i < sizeof heads / sizeof heads[0]; i++) heads[i] = posted[i] = 0;
}

void phrase_begin(u32 first_number) { first = first_number; }
void phrase_forget(u32 next_number) { first = next_number; }

// span_of is 1 where the slots of the phrase are filled within its window, by different words; from gets the first.
static int span_of(u32 p, u32 number, u32 *from) {
	u32 *slot = filled + phrases[p].slot, n = phrases[p].slots, low = number;
	for (u32 i = 0; i < n; i++) {
		if (slot[i] < first || number - slot[i] >= phrases[p].window) return 0;
		if (slot[i] < low) low = slot[i];
	}
	for (u32 i = 1; i < n; i++)
		for (u32 k = 0; k < i; k++)
			if (slot[i] == slot[k]) return 0;
	*from = low;
	return 1;
}

// fill puts the word into a slot. 1: the phrase is complete with it, from gets its first word.
static int fill(u32 p, u32 slot, u32 number, u32 *from) {
	u32 *s = filled + phrases[p].slot;
	if (phrases[p].any) return s[slot] = number, span_of(p, number, from);
	s[slot] = slot ? s[slot - 1] : number;
	*from = s[slot];
	if (*from < first || number - *from >= phrases[p].window) return s[slot] = 0, 0;
	return slot + 1 == phrases[p].slots;
}

static struct {
	u32 lists;
	u32 start[MAX_LISTS];
	u8 weight[MAX_LISTS];
} found;

static void keep(u32 p, u32 start) {
	u32 l = phrases[p].list;
	if (!(found.lists >> l & 1)) found.lists |= 1u << l, found.start[l] = start, found.weight[l] = 0;
	if (start < found.start[l]) found.start[l] = start;
	if (phrases[p].weight > found.weight[l]) found.weight[l] = phrases[p].weight;
}

static void look_up(const word_t *w, u32 id) {
	for (u32 k = heads[id]; k; k = postings[k].next) {
		u32 p = postings[k].phrase, from;
		if (!fill(p, postings[k].slot, w->number, &from)) continue;
		if (w->end - ring[from % RING].from <= HOLD) keep(p, ring[from % RING].start);
	}
}

void phrase_word(const word_t *w) {
	u32 reach = 0;
	for (u32 i = 0; i < w->look.n; i++)
		if (id_reach[w->look.ids[i]] > reach) reach = id_reach[w->look.ids[i]];
	u32 r = w->number % RING;
	ring[r].number = w->number, ring[r].until = reach ? w->number + reach - 1 : 0;
	ring[r].start = w->start, ring[r].from = w->from, ring[r].before = w->before;
	found.lists = 0;
	for (u32 i = 0; i < w->look.n; i++) look_up(w, w->look.ids[i]);
	for (u32 l = 0; found.lists >> l; l++)
		if (found.lists >> l & 1) finding(l, found.weight[l], found.start[l], w->end);
}

int phrase_waiting(u32 next_number, u32 position, u32 *from, u8 *before) {
	u32 number = next_number - REACH > first ? next_number - REACH : first;
	for (; number < next_number; number++) {
		u32 r = number % RING;
		if (ring[r].number != number || ring[r].until < next_number || position - ring[r].from > HOLD) continue;
		return *from = ring[r].from, *before = ring[r].before, 1;
	}
	return 0;
}

// The words of a phrase as they are read, before it is known to be good.
static struct {
	u16 ids[MAX_SLOTS][16];
	u8 n[MAX_SLOTS];
	u32 slots;
	int ideographs;
} draft;

static const char *draft_word(u32 *letters, u32 n, int prefix, int more) {
	if (!n) return prefix ? "a * stands alone; put it behind the beginning of a word" : (const char *)0;
	if (n > 31) return "a word is longer than 31 letters; shorten the phrase";
	if (prefix && n < 3) return "fewer than 3 letters stand before *; lengthen the beginning";
	u32 id = vocab_intern(letters, n, prefix);
	if (id == NONE) return "there are more than 2048 different words in all phrases; remove some";
	if (id_flags[id] & ID_STOP) return 0;
	u32 s = draft.slots;
	if (!more) draft.slots = ++s, draft.n[s - 1] = 0;
	if (s > MAX_SLOTS) return "more than 12 words that are no fillers; shorten the phrase";
	if (!s || draft.n[s - 1] == 16) return "more than 16 alternatives for a word; write a second phrase";
	draft.ids[s - 1][draft.n[s - 1]++] = (u16)id;
	return 0;
}

int phrase_sets;
static struct {
	u16 ids[16];
	u8 n;
} sets[RULE_SETS];

static void draft_set(u32 set, int more) {
	if (!more) draft.n[draft.slots++] = 0;
	u32 s = draft.slots - 1;
	for (u32 k = 0; k < sets[set].n && draft.n[s] < 16; k++) draft.ids[s][draft.n[s]++] = sets[set].ids[k];
}

// read_phrase reads words into the draft: letters and figures; | between alternatives, * behind a beginning.
static const char *read_phrase(const u8 *s, u32 len) {
	u32 letters[MAX_WORD], n = 0, width;
	int more = 0, fresh = 1;
	draft.slots = 0, draft.ideographs = 0;
	text.b = s, text.n = len, text.final = 1, text.arguments = 0;
	for (u32 i = 0; i < len; i += width) {
		if (phrase_sets && s[i] - 1u < RULE_SETS) {
			draft_set(s[i] - 1u, more);
			width = 1, more = 0, fresh = 0;
			continue;
		}
		u32 c = s[i] < 0x80 ? width = 1, ascii_fold(s[i]) : unit(i, &width);
		if (c - 'a' < 26) {
			n = append_letter(letters, n, c);
			continue;
		}
		if (c == DROP || c == '\'') continue;
		const char *fault = 0;
		if (c & PAIR) {
			n = append_letter(letters, append_letter(letters, n, c >> 8 & 127), c & 127);
		} else if (c & IDEOGRAPH) {
			fault = draft_word(letters, n, 0, more);
			if (!fault) letters[0] = c, fault = draft_word(letters, 1, 0, 0);
			n = 0, more = 0, draft.ideographs = 1;
		} else if (is_letter(c) || is_digit(c)) {
			n = append_letter(letters, n, c);
		} else {
			u32 slots = draft.slots;
			fault = draft_word(letters, n, c == '*', more);
			if (n) fresh = draft.slots == slots && !more;
			if (n || c == '|') more = c == '|' && !fresh;
			n = 0;
		}
		if (fault) return fault;
	}
	const char *fault = draft_word(letters, n, 0, more);
	if (fault) return fault;
	return draft.slots ? 0 : "it has only filler words; add a word that says what it is about";
}

static void post(u32 id, u32 p, u32 slot) {
	u32 k = ++postings_len;
	postings[k].next = heads[id], postings[k].phrase = (u16)p, postings[k].slot = (u8)slot;
	heads[id] = (u16)k;
	posted[id]++;
	id_flags[id] |= ID_USED;
	if ((!slot || phrases[p].any) && phrases[p].window > id_reach[id]) id_reach[id] = phrases[p].window;
}

// merge_equal leaves one of the slots that have the same words, as in any order one word could fill both.
static void merge_equal(void) {
	u32 kept = 0;
	for (u32 s = 0; s < draft.slots; s++) {
		int again = 0;
		for (u32 k = 0; k < kept; k++) again |= draft.n[k] == draft.n[s] && draft.ids[k][0] == draft.ids[s][0];
		if (again) continue;
		for (u32 k = 0; k < draft.n[s]; k++) draft.ids[kept][k] = draft.ids[s][k];
		draft.n[kept++] = draft.n[s];
	}
	draft.slots = kept;
}

const char *phrase_add(u32 list, u32 weight, int any, u32 gap, const u8 *words, u32 len) {
	const char *fault = read_phrase(words, len);
	if (fault) return fault;
	if (draft.ideographs) any = 0, gap = 0;
	if (any) merge_equal();
	u32 total = 0;
	for (u32 s = 0; s < draft.slots; s++) {
		total += draft.n[s];
		for (u32 k = 0; k < draft.n[s]; k++)
			if (posted[draft.ids[s][k]] >= MAX_POSTED) return "one of its words is in 256 phrases already; join phrases with |";
	}
	if (phrases_len == MAX_PHRASES || slots_len + draft.slots > MAX_SLOTS_ALL || postings_len + total > MAX_POSTINGS)
		return "more than 1024 phrases, 4096 words or 8192 alternatives in all; remove some";
	u32 p = phrases_len++;
	phrases[p].slot = (u16)slots_len, phrases[p].slots = (u8)draft.slots, phrases[p].window = (u8)(draft.slots + gap);
	phrases[p].any = (u8)any, phrases[p].list = (u8)list, phrases[p].weight = (u8)weight;
	slots_len += draft.slots;
	for (u32 s = 0; s < draft.slots; s++)
		for (u32 k = 0; k < draft.n[s]; k++) post(draft.ids[s][k], p, s);
	return 0;
}

const char *phrase_set(u32 set, const u8 *words, u32 len) {
	const char *fault = read_phrase(words, len);
	if (fault) return fault;
	sets[set].n = draft.n[0];
	for (u32 k = 0; k < draft.n[0]; k++) sets[set].ids[k] = draft.ids[0][k];
	return 0;
}

const char *except_add(const u8 *words, u32 len) {
	const char *fault = read_phrase(words, len);
	if (fault) return fault;
	if (draft.slots != 2) return "two words are expected that are no fillers, such as \"bath bomb\"";
	for (u32 a = 0; a < draft.n[0]; a++)
		for (u32 b = 0; b < draft.n[1]; b++)
			if (!vocab_except(draft.ids[0][a], draft.ids[1][b])) return "more than 192 exceptions; remove some";
	return 0;
}
