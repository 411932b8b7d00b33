// Open spans: findings longer than HOLD. What has come of them is settled at once; the word of continuation says what is open.
#include "redact.h"

// in_alphabet tells what an open span goes on with. Full stops are run_end's.
static int in_alphabet(u32 alphabet, u32 c) {
	if (classes[c] & (C_ALNUM | C_UNDER)) return 1;
	if (alphabet == OPEN_BASE64) return (classes[c] & C_BASE64) || c == '=';
	if (alphabet == OPEN_RUN) return !(classes[c] & C_DELIM) && c != '.';
	if (alphabet != OPEN_VALUE || c <= ' ' || c >= 0x7f) return 0;
	return c == '=' || (!(classes[c] & C_DELIM) && c != '\'' && c != '\\' && c != '.');
}

// run_end is where the run of the alphabet from i ends. Full stops, two at most in a row (the empty key of an
// encrypted JWT), belong to it between others.
u32 run_end(u32 alphabet, u32 i) {
	for (;; i++) {
		u32 c = at(i);
		if (c == '.' && alphabet == OPEN_BASE64) break;
		if (c == '.' && at(i + 1) == '.' ? in_alphabet(alphabet, at(i + 2)) : in_alphabet(alphabet, c == '.' ? at(i + 1) : c)) continue;
		break;
	}
	return i;
}

// open_pass closes the span where its end is certain; else what has come is settled and the span stays open.
u32 open_pass(u32 i) {
	int done = 0;
	text.shortage = text.bound = 0;
	text.limit = ~0u, text.end = text.n;
	if (open.kind == OPEN_KEY) {
		i = key_pass(i, &done);
	} else {
		i = run_end(open.kind, i);
		at(i);
		done = !text.shortage;
	}
	if (!done) return i;
	sluice_redact_close(original(i));
	block_behind(i);
	open.kind = OPEN_NONE, open.word = open.words = 0;
	return i;
}
