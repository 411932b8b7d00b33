// redact.h: what the parts of builtin:redact share: the text under the scan, the detectors, the findings.
//
// The rule that makes whole equal to streamed: a detector is anchored. Asked at a position t it says whether a match starts
// there, looking at most LOOK original bytes behind t and ahead only through at(). at() notes when it is asked for text
// that has not arrived, and then the scan holds back from t, whatever the detector said. So every decision is made from the
// same bytes however the text is cut. Matches are leftmost first, then longest, then by the order of kinds.
#ifndef REDACT_H
#define REDACT_H

#include "sluice.h"

#define LOOK 30      // original bytes behind a position that a detector may read
#define HOLD 320     // longest finding that is held back whole; longer ones are reported as open spans
#define COLD 16      // a run shorter than this, with no hot byte, holds no match
#define MAX_CUSTOM 16 // kinds that the configuration may add
#define KIND_NAME 32 // bytes of a kind's name

// Classes of bytes.
enum {
	C_DELIM = 1,  // ends a run: white space, controls, brackets, quotes, , ; = |
	C_HOT = 2,    // a run with it may hold a match: digits, @ - + (
	C_DIGIT = 4,
	C_ALPHA = 8,
	C_UNDER = 16,  // _ and -: with letters and digits, base64url
	C_LOCAL = 32,  // may stand in an e-mail's local part, beside letters and digits
	C_CUSTOM = 64, // a custom word or pattern may start with it
};
#define C_ALNUM (C_DIGIT | C_ALPHA)
extern u8 classes[256];

// The built-in kinds, in order of priority among findings of equal start and length. Custom kinds come before them all.
enum { PRIVATE_KEY, JWT, SECRET, EMAIL, CARD, IBAN, SSN, IP, PHONE, BUILTIN };

// kinds holds every kind's name; those from BUILTIN on are the configuration's.
extern struct kind {
	char name[KIND_NAME];
	u32 len;
	int on;
} kinds[BUILTIN + MAX_CUSTOM];
extern u32 kinds_len;

// The text under the scan: normalised bytes b[0..n), which begin with left context up to `left`.
extern struct text {
	u8 *b;
	u32 n, left;
	int final; // nothing follows
	int arguments;
	int shortage; // at() was asked for text that has not arrived
	u32 base;     // where b begins in the host's buffer
	int changed;  // positions in b and in the buffer differ by more than base
	u32 used;     // end of b in the buffer
} text;

// at is the byte at i; 0 behind the end of the text, and noted as a shortage where more may come.
static inline u32 at(u32 i) {
	if (i < text.n) return text.b[i];
	text.shortage |= !text.final;
	return 0;
}

static inline u32 class_at(u32 i) { return classes[at(i)]; }
static inline int digit_at(u32 i) { return (class_at(i) & C_DIGIT) != 0; }
static inline int word_byte(u32 c) { return (classes[c] & C_ALNUM) || c == '_'; }
static inline u32 lower(u32 c) { return c - 'A' < 26 ? c | 32 : c; }

// normal.c
void normalise(u8 *buffer, u32 len, u32 left, u32 sync);
u32 original(u32 i);      // the position in the host's buffer of b[i], or of the end
u32 sync_of(u32 settled); // how far behind a settled position of the buffer a unit surely begins
u32 look_floor(u32 t);    // the first position that a detector at t may look at

// look.c
u32 behind(u32 t, u32 k);                                // the byte k before t, 0 where there is none or too far
int word_before(u32 t, const char *words, u32 at_most); // one of the space-separated words stands close before t

// best is the finding that the detectors at one position agree on so far.
extern struct best {
	u32 kind, end;
	u32 open; // 0, or the alphabet of the open span that begins here
} best;
void offer(u32 kind, u32 end, u32 open); // a detector's finding

// Detectors: each offers what starts at t, one file each.
void find_key(u32 t);
void find_jwt(u32 t);
void find_secret(u32 t);
void find_value(u32 t);
void find_card(u32 t);
void find_iban(u32 t);
void find_ssn(u32 t);
void find_ip4(u32 t);
void find_ip6(u32 t);
void find_phone(u32 t);
void find_words(u32 t);
void find_patterns(u32 t);

// email.c: an e-mail is found from its @.
u32 email_start(u32 at_sign, u32 from);
u32 email_tail(u32 end, u32 from);
void find_email(u32 t, u32 at_sign);

// open.c: spans longer than HOLD.
enum { OPEN_NONE, OPEN_KEY, OPEN_BASE64URL, OPEN_VALUE };
extern struct open {
	u32 kind;        // OPEN_*
	u32 word, words; // a private key: length of the word at hand, short words in a row
} open;
u32 run_end(u32 alphabet, u32 i, u32 limit);
u32 key_pass(u32 i, int *done); // key.c
u32 open_pass(u32 i);           // from i to the span's end, which it reports, or to the end of what has come

// words.c, pattern.c, config.c
const char *words_add(u32 kind, const u8 *word, u32 len, int fold);
const char *pattern_add(u32 kind, const u8 *pattern, u32 len);

#endif
