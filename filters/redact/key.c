// Private keys: the block from -----BEGIN ... PRIVATE KEY----- (RFC 7468, RFC 1421, OpenSSH) or ... PRIVATE KEY BLOCK-----
// (RFC 9580) to its END line. It is always an open span. Where no END comes it ends at the first byte that no such
// block holds, or after SHORT_WORDS words in a row too short for base64 lines: prose.
#include "redact.h"

#define MAX_LABEL 48
#define LONG_WORD 16
#define SHORT_WORDS 8

// literal is where s ends if it stands at i, else 0.
static u32 literal(u32 i, const char *s) {
	for (; *s; s++, i++)
		if (at(i) != (u8)*s) return 0;
	return i;
}

// marker is where -----<word> LABEL----- ends if it stands at i, else 0. Any label does where none is asked for.
static u32 marker(u32 i, const char *word, int private) {
	i = literal(i, word);
	if (!i) return 0;
	u32 from = i, named = 0;
	for (; i - from < MAX_LABEL && at(i) != '-'; i++) {
		u32 c = at(i);
		if (c != ' ' && !(c - 'A' < 26) && !digit_at(i)) return 0;
		if (c == 'P' && (literal(i, "PRIVATE KEY-") || literal(i, "PRIVATE KEY BLOCK-"))) named = 1;
	}
	return named || !private ? literal(i, "-----") : 0;
}

void find_key(u32 t) {
	if (behind(t, 1) == '-') return;
	u32 end = marker(t, "-----BEGIN ", 1);
	if (end) offer(PRIVATE_KEY, end, OPEN_KEY);
}

static int in_block(u32 c) {
	return (classes[c] & (C_ALNUM | C_UNDER)) || c == '+' || c == '/' || c == '=' || c == ':' || c == ',' || c == '.' || c == '\\' ||
		c == '(' || c == ')' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// key_pass goes on inside a block from i. done is set where the block has ended; else the result is what has been passed.
u32 key_pass(u32 i, int *done) {
	for (;; i++) {
		u32 c = at(i);
		if (text.shortage) return i;
		if (i >= text.n || !in_block(c)) return *done = 1, i;
		u32 end = c == '-' && at(i + 1) == '-' ? marker(i, "-----END ", 0) : 0;
		if (end) at(end); // its original position is known only with what follows
		if (text.shortage) return i;
		if (end) return *done = 1, end;
		if (c > ' ' && c != '\\') {
			open.word += open.word < 255;
			continue;
		}
		if (open.word) open.words = open.word < LONG_WORD ? open.words + 1 : 0;
		open.word = 0;
		if (open.words >= SHORT_WORDS) return *done = 1, i;
	}
}
