// redact: finds personal data and secrets in text and tells the host their spans.
//
// One scan over runs of bytes between delimiters. A run without a hot byte, shorter than COLD, is passed over at one table
// look-up a byte; in the others the detectors are asked at each position where something can start.
#include "redact.h"

SLUICE_ARENA(SLUICE_WINDOW + SLUICE_CONTEXT + 64)

struct best best;

// order ranks kinds among findings of equal start and length: custom kinds first.
static u32 order(u32 kind) { return kind < BUILTIN ? kind + MAX_CUSTOM : kind - BUILTIN; }

void offer(u32 kind, u32 end, u32 open) {
	if (!kinds[kind].on || end < best.end) return;
	if (end == best.end && order(kind) >= order(best.kind)) return;
	best.kind = kind, best.end = end, best.open = open;
}

// run describes the run at hand for the detectors that need more than a position.
static struct {
	u32 from, end; // where the scan entered it; its delimiter
	u32 at_sign;   // the next @, or end
	u32 mail;      // where the e-mail of that @ starts, or end
	u32 tail;      // from here on an @ that has not arrived could make everything an e-mail
} run;

static void next_at_sign(u32 i) {
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

// ask_edge asks the detectors of things that start where no word goes on.
static void ask_edge(u32 t, u32 c) {
	u32 class = classes[c];
	if (class & C_DIGIT) {
		find_card(t);
		find_ssn(t);
		find_ip4(t);
		find_ip6(t);
		find_phone(t);
	} else if (class & C_ALPHA) {
		find_iban(t);
		if (run.end == text.n || run.end - t >= COLD) find_secret(t), find_jwt(t);
		if ((c | 32) <= 'f') find_ip6(t);
	} else if (c == '+' || c == '(') {
		find_phone(t);
	} else if (c == '-') {
		find_key(t);
	} else if (c == ':') {
		find_ip6(t);
	}
}

// ask collects what starts at t. The result is 0 where that is not certain yet.
static int ask(u32 t) {
	u32 c = text.b[t], before = behind(t, 1);
	best.end = t, best.kind = BUILTIN, best.open = 0;
	text.shortage = t >= run.tail;
	if (!word_byte(before)) {
		ask_edge(t, c);
		find_value(t);
	}
	if (t == run.mail && run.at_sign < run.end) find_email(t, run.at_sign);
	if (classes[c] & C_CUSTOM) find_words(t), find_patterns(t);
	if (best.end > t) at(best.end); // the end's original position is known only with what follows
	return !text.shortage;
}

static u32 report(u32 t) {
	const struct kind *k = &kinds[best.kind];
	if (!best.open) {
		sluice_redact(original(t), original(best.end), k->name, k->len);
		return best.end;
	}
	sluice_redact_open(original(t), k->name, k->len);
	open.kind = best.open, open.word = open.words = 0;
	return open_pass(best.end);
}

// walk asks at each position of the run and its delimiter. *t is where it stopped: 1 behind a finding, 0 at its end or where
// text is held back.
static int walk(u32 *t, u32 end, int *held) {
	u32 last = end < text.n ? end + 1 : end;
	enter_run(*t, end);
	for (; *t < last; ++*t) {
		if (*t > run.at_sign) next_at_sign(*t);
		if (!ask(*t)) return *held = 1, 0;
		if (best.end > *t) return *t = report(*t), 1;
	}
	return 0;
}

// run_from finds the end of the run that starts at t. The result is 0 where the run can hold no match.
static int run_from(u32 t, u32 *end) {
	u32 i = t, all = 0, class;
	while (!((class = classes[text.b[i]]) & C_DELIM)) all |= class, i++;
	*end = i;
	return ((all | class) & (C_HOT | C_CUSTOM)) || i - t >= COLD || (i >= text.n && !text.final);
}

// scan finds everything from t on and gives the first position that is not settled.
static u32 scan(u32 t) {
	int held = 0;
	run.end = 0;
	while (t < text.n) {
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

// The word of continuation: bits 0-5 where units begin in the context, 6-7 the open span, 8-15 and 16-23 its counts.
static u64 pack(u32 settled) {
	return sync_of(settled) | (u64)open.kind << 6 | (u64)open.word << 8 | (u64)open.words << 16;
}

static void unpack(u64 state) {
	open.kind = state >> 6 & 3, open.word = state >> 8 & 255, open.words = state >> 16 & 255;
}

SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) { return SLUICE_TEXT_REQUEST | SLUICE_TEXT_ANSWER; }

SLUICE_EXPORT(on_text) i64 on_text(u8 *buffer, u32 len, u32 flags, u64 state) {
	u32 left = SLUICE_LEFT(flags);
	text.final = SLUICE_END(flags);
	text.arguments = SLUICE_ARGUMENTS(flags);
	unpack(state);
	normalise(buffer, len, left, state & 63);
	u32 t = text.left;
	if (open.kind) t = open_pass(t);
	if (!open.kind) t = scan(t);
	u32 settled = text.final ? len : original(t);
	if (settled < left) settled = left;
	u64 next = pack(settled);
	if (next != state) sluice_next_state(next);
	return settled;
}
