// redact: finds personal data and secrets in text and tells the host their spans.
//
// One scan over runs of bytes between delimiters. Those in which nothing can begin are passed over (calm.c); in the others the
// detectors are asked at each position where something can start. A digit there is read once, with the groups that follow
// it, and what it may be goes by their sizes.
#include "redact.h"

u32 hold = HOLD;
struct best best;
int contesting;
int custom;            // words or patterns are configured
static int apart;      // the text under the scan is not the host's

// order ranks kinds among findings of equal start and length: custom kinds first.
static u32 order(u32 kind) { return kind < BUILTIN ? kind + MAX_CUSTOM : kind - BUILTIN; }

void offer(u32 kind, u32 end, u32 open) {
	if (text.bound || !kinds[kind].on || end < best.end) return;
	if (end == best.end && order(kind) >= order(best.kind)) return;
	best.kind = kind, best.end = end, best.open = open;
}

void offer_bound(u32 kind, u32 end) {
	text.bound = 0;
	if (!contesting) offer(kind, end, OPEN_RUN);
}

// bounded looks at what the last detector did: one that wanted to read behind the limit could not rule a match out, so
// what stands up to the limit is one, and goes on as an open span.
static void bounded(u32 kind, u32 open) {
	int cut = text.bound;
	text.bound = 0;
	if (cut && !contesting) offer(kind, text.limit, open);
}

u32 beyond(void) {
	if (text.limit < text.n) text.bound = 1;
	else text.shortage |= !text.final;
	return 0;
}

static void look_to(u32 limit) {
	text.limit = limit;
	text.end = limit < text.n ? limit : text.n;
	text.bound = 0;
}

// run describes the run at hand for the detectors that need more than a position.
static struct run {
	u32 from, end; // where the scan entered it; its delimiter
	u32 at_sign;   // the next @, or end
	u32 mail;      // where the e-mail of that @ starts, or end
	u32 tail;      // from here on an @ that has not arrived could make everything an e-mail
} run;

static void next_at_sign(u32 i) {
	look_to(~0u);
	if (run.at_sign < i) run.at_sign = i;
	while (run.at_sign < run.end && text.b[run.at_sign] != '@') run.at_sign++;
	run.mail = run.at_sign < run.end ? email_start(run.at_sign, run.from) : run.end;
}

// enter_run begins a run, or goes on behind a finding in the run at hand.
static void enter_run(u32 from, u32 end) {
	if (from >= run.end) run.at_sign = from;
	run.from = from, run.end = end, run.tail = ~0u;
	next_at_sign(from);
	if (end == text.n && !text.final) run.tail = email_tail(end, from);
}

// ask_number asks for what begins with a digit: by how many there are and what parts them.
static void ask_number(u32 t) {
	read_number(t);
	u32 first = number.groups ? number.end[0] : t + NUMBER_DIGITS, c = at(first), last = number.groups ? number.end[number.groups - 1] : t;
	u32 behind_all = at(last);
	if (number.digits >= 12) find_card(t);
	if (number.digits >= 8) find_registered(t);
	if (number.groups >= 4 && c == '.') find_ip4(t);
	if (number.digits >= 7 || behind_all == '(' || behind_all == ')' || at(last + 1) == '(') find_phone(t);
	if (first - t <= 4 && (c == ':' || (c | 32) - 'a' < 6)) find_ip6(t);
	if (first - t <= 2 && (c == ':' || c == '-' || (c | 32) - 'a' < 6)) find_mac(t);
	if ((classes[c] & C_ALPHA) || (first - t == 6 && (c == '-' || c == '+'))) find_coded(t), find_crypto(t);
	if (c == ':') find_bot(t);
}

static void ask_word(u32 t, u32 c) {
	find_iban(t);
	if (run.end == text.n || run.end - t >= COLD) {
		find_secret(t), bounded(SECRET, OPEN_BASE64URL);
		find_jwt(t), bounded(JWT, OPEN_BASE64URL);
	}
	find_crypto(t);
	if ((c | 32) <= 'f') find_ip6(t), find_mac(t);
	find_coded(t);
}

// ask_edge asks the detectors of things that start where no word goes on.
static void ask_edge(u32 t, u32 c) {
	u32 class = classes[c];
	if (class & C_DIGIT) ask_number(t), bounded(CARD, OPEN_RUN);
	else if (class & C_ALPHA) ask_word(t, c), bounded(IBAN, OPEN_RUN);
	else if (c == '+' || c == '(') find_phone(t), bounded(PHONE, OPEN_RUN);
	else if (c == '-') find_key(t), bounded(PRIVATE_KEY, OPEN_KEY);
	else if (c == ':') find_ip6(t), bounded(IP, OPEN_RUN);
	find_value(t), bounded(SECRET, OPEN_VALUE);
	find_userinfo(t), bounded(SECRET, OPEN_VALUE);
}

static u32 asked_block; // next_block as it was before the position that is asked

// ask collects what starts at t and is certain before limit. The result is 0 where more text is needed for that.
static int ask(u32 t, u32 limit) {
	asked_block = next_block;
	if (t >= run.tail && limit >= text.n) return 0; // an @ may follow
	u32 c = text.b[t], before = behind(t, 1);
	best.end = t, best.kind = BUILTIN, best.open = 0;
	look_to(limit);
	text.shortage = 0;
	if (!word_byte(before)) {
		ask_edge(t, c);
		if (limit < text.n && limit - t <= MAX_LOCAL && !(before & c & 0x80) && local_to(t, limit)) offer(EMAIL, limit, OPEN_RUN);
	}
	if (t == run.mail && run.at_sign < run.end && run.at_sign < limit) find_email(t, run.at_sign), bounded(EMAIL, OPEN_RUN);
	if (classes[c] & C_CUSTOM) find_words(t), find_patterns(t);
	if ((classes[c] & C_BASE64) && !apart && !contesting) {
		if (t == next_block) next_block = ~0u, find_base64(t);
		else if (!(classes[before] & C_BASE64) && (run.end - t >= COLD || run.end == text.n)) find_base64(t);
	}
	if (best.end > t) at(best.end); // the end's original position is known only with what follows
	if (text.shortage) next_block = asked_block;
	return !text.shortage;
}

// report tells the host of the finding that begins at t and gives where the scan goes on.
static u32 report(u32 t) {
	const struct kind *k = &kinds[best.kind];
	if (!best.open) {
		sluice_redact(original(t), original(best.end), k->name, k->len);
		block_behind(best.end);
		return best.end;
	}
	sluice_redact_open(original(t), k->name, k->len);
	next_block = ~0u;
	open.kind = best.open, open.word = open.words = 0;
	return open_pass(best.end);
}

// report_front tells of the part of a finding that stands in front of a longer one that begins at `end`.
static void report_front(u32 from, u32 end, u32 kind) {
	while (end > from && text.b[end - 1] == ' ') end--;
	sluice_redact(original(from), original(end), kinds[kind].name, kinds[kind].len);
}

// reach makes the run of position i the one at hand. The result is 0 where nothing can begin in it; *i is then its delimiter.
static int run_from(u32 t, u32 *end);
static int reach(u32 *i) {
	u32 end;
	if (*i > run.end) {
		if (!run_from(*i, &end)) return *i = end, 0;
		enter_run(*i, end);
	}
	if (*i > run.at_sign) next_at_sign(*i);
	return 1;
}

// contest looks for something longer that begins inside what was found at *t, as far as that is certain within the limit of
// *t, and reports what is left of the one and the other. The result is 0 where text is held back from *t on.
static int contest(u32 *t) {
	struct best now = best;
	u32 block = asked_block;
	for (u32 i = *t + 1; i < now.end && !now.open; i++) {
		if (!reach(&i)) continue;
		contesting = 1;
		int certain = ask(i, limit_of(*t)), longer = best.end - i > now.end - *t;
		contesting = 0;
		if (certain && !longer) continue;
		if (certain) {
			report_front(*t, i, now.kind);
			*t = i;
			enter_run(i, run.end);
			block_behind(i);
			certain = ask(i, limit_of(i)), block = asked_block;
		}
		if (!certain) return next_block = block, 0;
		now = best;
	}
	best = now;
	*t = report(*t);
	return 1;
}

// inside passes over positions from t on at which nothing is to be asked: within words, but for the start of an e-mail
// and of custom kinds, and for what is held back.
static u32 inside(u32 t, u32 last) {
	if (t > run.at_sign) next_at_sign(t);
	u32 stop = run.at_sign < run.end && run.mail >= t && run.mail < last ? run.mail : last;
	if (run.at_sign < stop && stop == last) stop = run.at_sign;
	if (run.tail < stop) stop = run.tail;
	if (next_block < stop) stop = next_block;
	for (; t < stop && t; t++) {
		u32 c = text.b[t], before = text.b[t - 1];
		if ((classes[c] & C_CUSTOM) || !(word_byte(before) || (before & c & 0x80))) break;
	}
	return t;
}

// walk asks at each position of the run and its delimiter. *t is where it stopped: 1 behind a finding, 0 at its end or where
// text is held back.
static int walk(u32 *t, u32 end, int *held) {
	u32 last = end < text.n ? end + 1 : end;
	enter_run(*t, end);
	for (; *t < last; ++*t) {
		*t = inside(*t, last);
		if (*t > run.at_sign) next_at_sign(*t);
		if (*t >= last) break;
		if (!ask(*t, limit_of(*t))) return *held = 1, 0;
		if (best.end > *t) return *held = !contest(t), !*held;
	}
	return 0;
}

// run_from finds the end of the run that starts at t. The result is 0 where the run can hold no match.
static int run_from(u32 t, u32 *end) {
	u32 i = t, all = 0, class;
	while (!((class = classes[text.b[i]]) & C_DELIM)) all |= class, i++;
	*end = i;
	if (((all | class) & (C_HOT | C_CUSTOM)) || i - t >= COLD || (i >= text.n && !text.final) || next_block <= i) return 1;
	return !(all & C_LOWER) && (i - t == 2 || i - t >= 8); // two letters of a national insurance number; a bank's code
}

// scan finds everything from t on and gives the first position that is not settled. calmed: t is where calm has stopped.
static u32 scan(u32 t, int calmed) {
	int held = 0;
	run.end = 0;
	for (; t < text.n; calmed = 0) {
		if (t >= run.end && !calmed && !custom && next_block == ~0u) {
			t = calm(text.b, t, text.n, (text.final ? FINAL : 0) | (text.changed ? FAR : 0));
			if (t & HELD) return t & ~HELD;
			if (t == text.n) break;
		}
		u32 end = run.end;
		if (t >= end && !run_from(t, &end)) {
			t = end + 1;
			continue;
		}
		walk(&t, end, &held);
		if (held || open.kind) return t;
	}
	return text.n;
}

static u32 scan_to_finding(u32 t, u32 *kind) {
	run.end = 0;
	while (t < text.n) {
		u32 end = run.end, last;
		if (t >= end && !run_from(t, &end)) {
			t = end + 1;
			continue;
		}
		enter_run(t, end);
		for (last = end < text.n ? end + 1 : end; t < last; t++) {
			if (t > run.at_sign) next_at_sign(t);
			if (!ask(t, limit_of(t))) return t;
			if (best.end > t) return *kind = best.kind, t;
		}
	}
	return text.n;
}

u32 scan_apart(u8 *b, u32 n, u32 left, int final, u32 *kind) {
	struct text text_kept = text;
	struct run run_kept = run;
	struct best best_kept = best;
	u32 block_kept = next_block, asked_kept = asked_block;
	text = (struct text){.b = b, .n = n, .left = left, .final = final};
	next_block = ~0u, apart = 1;
	u32 t = scan_to_finding(left, kind);
	text = text_kept, run = run_kept, best = best_kept, next_block = block_kept, asked_block = asked_kept, apart = 0;
	return t;
}

// The word of continuation: bits 0-5 where units begin in the context, 6-8 the open span, 9-16 and 17-24 its counts, 32-43
// how far away the next block of base64 is, and one.
static u64 pack(u32 settled, u32 t) {
	u64 block = next_block == ~0u ? 0 : next_block - t + 1;
	return sync_of(settled) | (u64)open.kind << 6 | (u64)open.word << 9 | (u64)open.words << 17 | block << 32;
}

static void unpack(u64 state) {
	u32 block = state >> 32 & 4095;
	open.kind = state >> 6 & 7, open.word = state >> 9 & 255, open.words = state >> 17 & 255;
	next_block = block ? text.left + block - 1 : ~0u;
}

// prepare builds the tables that are made once.
SLUICE_EXPORT(_initialize) void prepare(void) {
	prepare_secrets();
	prepare_registers();
	prepare_base64();
}

SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) { return SLUICE_TEXT_REQUEST | SLUICE_TEXT_ANSWER; }

// search normalises the text and scans it: from where calm has stopped, so many bytes behind the left context, if what it read
// is the text as it stands.
static __attribute__((noinline)) u32 search(u8 *buffer, u32 len, u32 flags, u64 state, u32 calmed) {
	u32 left = SLUICE_LEFT(flags);
	text.final = SLUICE_END(flags);
	text.arguments = SLUICE_ARGUMENTS(flags);
	normalise(buffer, len, left, state & 63);
	unpack(state);
	int same = !state && !text.changed && text.used == len;
	u32 t = text.left + (same ? calmed : 0);
	if (open.kind) t = open_pass(t);
	if (!open.kind) t = scan(t, same);
	u32 settled = text.final ? len : original(t);
	if (settled < left) settled = left;
	u64 next = pack(settled, t);
	if (next != state) sluice_next_state(next);
	return settled;
}

SLUICE_EXPORT(on_text) i64 on_text(u8 *buffer, u32 len, u32 flags, u64 state) {
	u32 left = SLUICE_LEFT(flags), t = left;
	end_with_zeros(buffer + len);
	if (!state && !custom) {
		t = calm(buffer, left, len, SLUICE_END(flags) | RAW);
		if (t == len || (t & HELD)) return t & ~HELD;
	}
	return search(buffer, len, flags, state, t - left);
}
