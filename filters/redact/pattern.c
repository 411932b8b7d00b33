// Custom patterns: a subset of regular expressions that a position automaton (Glushkov 1961) of at most 63 positions runs bit
// parallel, without backtracking: at most MAX_MATCH steps from each start, whatever the text.
//
// Taken: literals, escapes \d \w \s and of punctuation, classes [a-z] [^a-z], ., groups ( ) and (?: ), |, ? * + {m} {m,} {m,n},
// (?i) at the front, \b at either end. Refused: everything else, with what it is. Case of ASCII letters only; . is any
// byte but a line's end.
#include "redact.h"

#define MAX_PATTERNS 16
#define MAX_POSITIONS 63
#define MAX_MATCH 128
#define MAX_DEPTH 8

static struct pattern {
	u64 mask[256]; // by byte: the positions that take it
	u64 follow[MAX_POSITIONS];
	u64 first, last;
	u8 kind, edge_before, edge_behind;
} patterns[MAX_PATTERNS];
static u32 patterns_len;

// What the parser works on.
static struct pattern *to;
static const u8 *source;
static u32 source_len, source_at, positions, depth;
static int fold_case, alternation; // letters in either case; a | outside groups
static const char *fault;

struct part { // of the automaton: where it can begin and end
	u64 first, last;
	int empty;
};

static struct part fail(const char *why) {
	if (!fault) fault = why;
	return (struct part){0, 0, 0};
}

static u32 peek(void) { return source_at < source_len ? source[source_at] : 0; }
static int more(void) { return !fault && source_at < source_len; }

static struct part position(const u32 *set) {
	if (positions == MAX_POSITIONS) return fail("pattern: too long: more than 63 positions, repetitions written out");
	u64 bit = 1ull << positions;
	to->follow[positions++] = 0;
	for (u32 c = 1; c < 256; c++)
		if (set[c >> 5] >> (c & 31) & 1) to->mask[c] |= bit;
	return (struct part){bit, bit, 0};
}

static void add(u32 *set, u32 c) {
	set[c >> 5] |= 1u << (c & 31);
	if (fold_case && (c | 32) - 'a' < 26) set[(c ^ 32) >> 5] |= 1u << ((c ^ 32) & 31);
}

static void add_range(u32 *set, u32 from, u32 end) {
	for (u32 c = from; c <= end; c++) add(set, c);
}

static struct part concat(struct part a, struct part b) {
	for (u64 rest = a.last; rest; rest &= rest - 1) to->follow[__builtin_ctzll(rest)] |= b.first;
	return (struct part){a.first | (a.empty ? b.first : 0), b.last | (b.empty ? a.last : 0), a.empty && b.empty};
}

// add_escape adds what the escape behind a backslash stands for.
static int add_escape(u32 *set) {
	u32 c = peek();
	source_at++;
	if (c == 'd') return add_range(set, '0', '9'), 1;
	if (c == 'w') return add_range(set, '0', '9'), add_range(set, 'a', 'z'), add_range(set, 'A', 'Z'), add(set, '_'), 1;
	if (c == 's') return add_range(set, '\t', '\r'), add(set, ' '), 1;
	if (c == 't') return add(set, '\t'), 1;
	if (c == 'n') return add(set, '\n'), 1;
	if (c > ' ' && c < 0x7f && !(classes[c] & C_ALNUM)) return add(set, c), 1;
	fail("pattern: this escape is not taken: only \\d \\w \\s \\t \\n, punctuation, and \\b at either end");
	return 0;
}

// class_byte reads one byte of a class; 256 where an escape for several was added to the set.
static u32 class_byte(u32 *set) {
	u32 c = peek();
	source_at++;
	if (c >= 0x80 || c < ' ') return (void)fail("pattern: a class holds printable ASCII only"), 256;
	if (c != '\\') return c;
	u32 next = peek();
	if (next > ' ' && next < 0x7f && !(classes[next] & C_ALNUM)) return source_at++, next;
	add_escape(set);
	return 256;
}

static struct part class(void) {
	u32 set[8] = {0}, negated = peek() == '^';
	source_at += negated;
	for (u32 first = 1; more() && (first || peek() != ']'); first = 0) {
		u32 c = class_byte(set), end = c;
		if (c == 256) continue;
		if (peek() == '-' && source_at + 1 < source_len && source[source_at + 1] != ']') {
			source_at++;
			end = class_byte(set);
			if (end == 256 || end < c) return fail("pattern: a range in a class runs backwards");
		}
		add_range(set, c, end);
	}
	if (!more()) return fail("pattern: a class is not closed");
	source_at++;
	for (u32 i = 0; negated && i < 8; i++) set[i] = ~set[i];
	return position(set);
}

static struct part alternatives(void);

static struct part grouped(void) {
	if (peek() == '?') {
		if (source_at + 1 >= source_len || source[source_at + 1] != ':')
			return fail("pattern: only (?: ) and a leading (?i) are taken: no look-around, no named groups");
		source_at += 2;
	}
	if (++depth > MAX_DEPTH) return fail("pattern: groups are nested too deep");
	struct part p = alternatives();
	depth--;
	if (peek() != ')') return fail("pattern: a group is not closed");
	source_at++;
	return p;
}

// literal reads one character; outside ASCII that is several positions.
static struct part literal(u32 c) {
	u32 set[8] = {0};
	add(set, c);
	struct part p = position(set);
	while (c >= 0xc0 && (peek() & 0xc0) == 0x80) {
		u32 next[8] = {0};
		add(next, peek());
		source_at++;
		p = concat(p, position(next));
	}
	return p;
}

static struct part atom(void) {
	u32 c = peek(), set[8] = {0};
	source_at++;
	switch (c) {
	case '(': return grouped();
	case '[': return class();
	case '.':
		add_range(set, 1, 255);
		set['\n' >> 5] &= ~(1u << '\n');
		return position(set);
	case '\\': return add_escape(set) ? position(set) : fail(fault);
	case '^': case '$': return fail("pattern: ^ and $ are not taken: a text has no lines for a filter; use \\b");
	case '*': case '+': case '?': case '{': return fail("pattern: a repetition has nothing to repeat");
	case 0: return fail("pattern: it has a NUL");
	default: return literal(c);
	}
}

static u32 count(void) {
	u32 n = 0, from = source_at;
	while (peek() - '0' < 10 && n < 1000) n = n * 10 + peek() - '0', source_at++;
	if (source_at == from) fail("pattern: {m}, {m,} or {m,n} is expected");
	return n;
}

// bounds reads a repetition; most is 0 for no bound. 0 where there is none.
static int bounds(u32 *least, u32 *most) {
	u32 c = peek();
	if (c != '?' && c != '*' && c != '+' && c != '{') return 0;
	source_at++;
	*least = c == '+', *most = c == '?';
	if (c == '{') {
		*least = *most = count();
		if (peek() == ',') source_at++, *most = peek() == '}' ? 0 : count();
		if (peek() != '}' || (*most && *most < *least)) fail("pattern: {m}, {m,} or {m,n} with m up to n is expected");
		if (!*most && source[source_at - 1] == '0') fail("pattern: {0} repeats nothing");
		source_at++;
	}
	c = more() ? peek() : 0;
	if (c == '?' || c == '*' || c == '+' || c == '{')
		fail("pattern: a repetition stands on a repetition; lazy and possessive forms are not taken");
	return !fault;
}

// repeated reads an atom and its repetition. The atom's source is read again for each copy.
static struct part repeated(void) {
	u32 from = source_at, least, most;
	struct part whole = atom();
	if (fault || !bounds(&least, &most)) return whole;
	u32 behind_it = source_at, copies = most ? most : least ? least : 1;
	struct part last = whole;
	if (!most) concat(last, (struct part){last.first, 0, 0});
	if (!least) whole.empty = 1;
	for (u32 n = 2; n <= copies && !fault; n++) {
		source_at = from;
		last = atom();
		if (!most && n == copies) concat(last, (struct part){last.first, 0, 0});
		if (n > least) last.empty = 1;
		whole = concat(whole, last);
	}
	source_at = behind_it;
	return whole;
}

static struct part sequence(void) {
	struct part p = {0, 0, 1};
	while (more() && peek() != '|' && peek() != ')') {
		if (peek() == '\\' && source_at + 2 == source_len && source[source_at + 1] == 'b') {
			to->edge_behind = 1;
			source_at += 2;
			break;
		}
		p = concat(p, repeated());
	}
	return p;
}

static struct part alternatives(void) {
	struct part p = sequence();
	while (more() && peek() == '|') {
		source_at++;
		if (!depth) alternation = 1;
		struct part q = sequence();
		p.first |= q.first, p.last |= q.last, p.empty |= q.empty;
	}
	return p;
}

static int starts_with(const char *s) {
	u32 i = 0;
	while (s[i] && source_at + i < source_len && source[source_at + i] == (u8)s[i]) i++;
	if (s[i]) return 0;
	source_at += i;
	return 1;
}

// pattern_add compiles one pattern of a kind. The result is what is wrong, or 0.
const char *pattern_add(u32 kind, const u8 *pattern, u32 len) {
	if (patterns_len == MAX_PATTERNS) return "patterns: more than 16";
	to = &patterns[patterns_len];
	source = pattern, source_len = len, source_at = 0, positions = 0, depth = 0, fault = 0, alternation = 0;
	fold_case = starts_with("(?i)");
	to->edge_before = (u8)starts_with("\\b");
	struct part p = alternatives();
	if (!fault && source_at < source_len) fail("pattern: a group is closed that was not opened");
	if (!fault && alternation && (to->edge_before || to->edge_behind)) fail("pattern: \\b beside |: put the alternatives in a group");
	if (!fault && p.empty) fail("pattern: it matches the empty text");
	if (fault) return fault;
	to->kind = (u8)kind, to->first = p.first, to->last = p.last;
	for (u32 c = 0; c < 256; c++)
		if (to->mask[c] & p.first) classes[c] |= C_CUSTOM;
	patterns_len++;
	custom = 1;
	return 0;
}

// match runs the automaton from t. What could still be a match where it must stop is masked, to the end of its run.
static void match(const struct pattern *q, u32 t) {
	u64 now = q->first & q->mask[text.b[t]];
	u32 most = t + MAX_MATCH < text.limit ? t + MAX_MATCH : text.limit;
	for (u32 i = t + 1; now; i++) {
		u32 c = i < text.n ? text.b[i] : beyond();
		if ((now & q->last) && (c & 0xc0) != 0x80 && !(q->edge_behind && word_byte(c))) offer(q->kind, i, 0);
		u64 next = 0;
		for (; now; now &= now - 1) next |= q->follow[__builtin_ctzll(now)];
		now = next & q->mask[c];
		if (now && i == most) return offer_bound(q->kind, i);
	}
}

void find_patterns(u32 t) {
	if ((text.b[t] & 0xc0) == 0x80) return; // inside a character
	int edge = !word_byte(behind(t, 1));
	for (u32 i = 0; i < patterns_len; i++)
		if (edge || !patterns[i].edge_before) match(&patterns[i], t);
}
