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
#define HOLD 320     // longest finding that is held back whole, unless the configuration says otherwise
#define LEAST_HOLD 96
#define MOST_HOLD 2048
#define LEAST_BASE64 20 // characters of a run that is decoded
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
	C_LOWER = 128,
	C_BASE64 = 256, // letters, digits and + / - _
	C_ASK = 512,    // calm.c leaves a run with it to the detectors: @, what may begin an escape, bytes outside ASCII
	C_NAMED = 1024, // may stand in front of a value, or of the space or quote there (value.c)
};
#define C_ALNUM (C_DIGIT | C_ALPHA)
extern u16 classes[256];
extern int contesting; // what is asked for must be certain within the limit; what might be does not count
extern int custom; // words or patterns are configured
extern u32 hold;   // longest finding that is held back whole; longer ones are open spans

// The built-in kinds, in order of priority among findings of equal start and length. Custom kinds come before them all.
enum {
	PRIVATE_KEY, JWT, SECRET, EMAIL, CARD, IBAN, SSN, IP, MAC, CRYPTO, PHONE, // no country, or the longest known
	ABA, BIC, VIN, IMEI, LEI, PASSPORT, US_ITIN, US_EIN, US_NPI, US_DEA,
	UK_NINO, UK_NHS, CA_SIN, AU_TFN, AU_ABN, AU_MEDICARE, IN_AADHAAR, IN_PAN, FR_NIR, DE_TAX_ID, ES_NIF, IT_CF, NL_BSN, BE_RRN,
	PL_PESEL, SE_PNR, FI_HETU, NO_FNR, DK_CPR, CH_AHV, BR_CPF, BR_CNPJ, CN_RIC, KR_RRN, ZA_ID, MX_CURP, TR_TCKN, JP_MYNUMBER,
	SG_NRIC, IE_PPS, PT_NIF, RO_CNP, CZ_RC, HK_ID, TW_ID, IL_ID, AR_CUIT, TH_ID, HR_OIB,
	BUILTIN
};

// kinds holds every kind's name; those from BUILTIN on are the configuration's.
extern struct kind {
	char name[KIND_NAME];
	u8 len;
	u8 on;
	u8 usual; // on where the configuration names no kinds
} kinds[BUILTIN + MAX_CUSTOM];
extern u32 kinds_len;

// The text under the scan: normalised bytes b[0..n), which begin with left context up to `left`.
extern struct text {
	u8 *b;
	u32 n, left;
	int final; // nothing follows
	int arguments;
	u32 end;      // how far at() reads: n, or the limit
	u32 limit;    // how far the position at hand may look, where holding back ends
	int shortage; // at() was asked for text that has not arrived
	int bound;    // at() was asked for text behind the limit
	u32 base;     // where b begins in the host's buffer
	u32 changed;  // where in the buffer, from base, the last unit ends that does not stand as it is; 0: positions differ by base alone
	u32 used;     // end of b in the buffer
} text;

u32 beyond(void); // redact.c: at() behind the end of what may be read

// at is the byte at i; 0 behind the end of the text or the limit, and noted where more may come.
static inline u32 at(u32 i) { return i < text.end ? text.b[i] : beyond(); }

static inline u32 class_at(u32 i) { return classes[at(i)]; }
static inline int digit_at(u32 i) { return (class_at(i) & C_DIGIT) != 0; }
static inline int word_byte(u32 c) { return (classes[c] & C_ALNUM) || c == '_'; }
static inline u32 lower(u32 c) { return c - 'A' < 26 ? c | 32 : c; }

// end_with_zeros puts delimiters behind a text's end: what reads eight bytes at a time needs no test for it. It writes only where
// they are not, as mostly they are: what is written is put back, by blocks of 4 KiB, before the next exchange.
static inline void end_with_zeros(u8 *end) {
	u64 w;
	__builtin_memcpy(&w, end, 8);
	if (w) __builtin_memset(end, 0, 8);
}

// normal.c
void normalise(u8 *buffer, u32 len, u32 left, u32 sync);
u32 original(u32 i);      // the position in the host's buffer of b[i], or of the end
u32 sync_of(u32 settled); // how far behind a settled position of the buffer a unit surely begins
u32 limit_of(u32 t);      // the position that `hold` bytes behind t end at, as they were written
u32 bytes_before(u32 end, u32 bytes); // the first position at most so many bytes before end, as they were written
u32 look_floor(u32 t);    // the first position that a detector at t may look at

u32 fold_to_ascii(u32 c); // folds.c: the ASCII that a character outside it stands for, or 0

// look.c
u32 behind(u32 t, u32 k);                                // the byte k before t, 0 where there is none or too far
int word_before(u32 t, const char *words, u32 at_most); // one of the space-separated words stands close before t

// best is the finding that the detectors at one position agree on so far.
extern struct best {
	u32 kind, end;
	u32 open; // 0, or the alphabet of the open span that begins here
} best;
void offer(u32 kind, u32 end, u32 open);   // a detector's finding
void offer_bound(u32 kind, u32 end);       // what could still be one at the most that may be read

// scan_apart scans text that is not the host's (base64.c) behind `left` bytes of context, up to the first finding, whose
// kind is told, or to where it is not certain. b[n] must be a delimiter. (redact.c)
u32 scan_apart(u8 *b, u32 n, u32 left, int final, u32 *kind);

// number.c: the digits at a position, in groups parted by single spaces, hyphens, full stops or slashes.
#define NUMBER_DIGITS 22
#define NUMBER_GROUPS 8
extern struct number {
	u32 digits, groups;
	u32 end[NUMBER_GROUPS];   // position behind each group
	u64 shape[NUMBER_GROUPS]; // the sizes of the groups up to it, 5 bits each, the last one lowest
	u8 count[NUMBER_GROUPS];  // digits up to and with it
	u8 sep[NUMBER_GROUPS];    // separator in front of it
	u8 digit[NUMBER_DIGITS];
} number;
void read_number(u32 t);
int number_ends(u32 i);      // a number may end at i
int number_misplaced(u32 t); // what stands before t makes it a part of something else

// checks.c: checksums and dates of identifiers, on digits as values.
int luhn(const u8 *digits, u32 n);
int verhoeff(const u8 *digits, u32 n);
int mod11_10(const u8 *digits, u32 n);
u32 weighted(const u8 *digits, const char *weights);
u32 remainder_of(const u8 *digits, u32 n, u32 by);
u32 value_of(const u8 *digits, u32 n);
int date(u32 day, u32 month);
u32 remainder97(u32 r, u32 c); // one more character of ISO 7064 mod 97-10

// calm.c
enum { FINAL = 1, RAW = 2, FAR = 4 }; // nothing follows; not normalised; positions differ from the buffer's
#define HELD (1u << 31)
u32 calm(const u8 *b, u32 t, u32 n, u32 how);

// Detectors: each offers what starts at t.
void find_key(u32 t);
void find_jwt(u32 t);
void find_secret(u32 t);
void find_value(u32 t);
void find_userinfo(u32 t);
void find_card(u32 t);
void find_registered(u32 t); // registers.c: numbers of national and other registers
void find_coded(u32 t);      // coded.c: identifiers of letters and digits
void find_iban(u32 t);
void find_mac(u32 t);
void find_crypto(u32 t);
void find_ip4(u32 t);
void find_ip6(u32 t);
void find_phone(u32 t);
void find_bot(u32 t);
void find_words(u32 t);
void find_patterns(u32 t);
void find_base64(u32 t);
void prepare_secrets(void);
void prepare_registers(void);
void prepare_base64(void);

// base64.c: where in a long run of base64 the next block is decoded; ~0 for nowhere.
extern u32 next_block;
void block_behind(u32 end); // where a finding ends inside a run, the rest of the run is a block

// email.c: an e-mail is found from its @.
#define MAX_LOCAL 64
int local_to(u32 t, u32 end);
u32 email_start(u32 at_sign, u32 from);
u32 email_tail(u32 end, u32 from);
void find_email(u32 t, u32 at_sign);

// open.c: spans longer than HOLD.
enum { OPEN_NONE, OPEN_KEY, OPEN_BASE64URL, OPEN_VALUE, OPEN_RUN, OPEN_BASE64 };
extern struct open {
	u32 kind;        // OPEN_*
	u32 word, words; // a private key: length of the word at hand, short words in a row
} open;
u32 run_end(u32 alphabet, u32 i);
u32 key_pass(u32 i, int *done); // key.c
u32 open_pass(u32 i);           // from i to the span's end, which it reports, or to the end of what has come

extern u32 pairs[128]; // secret.c: by first character, what calm.c needs of prefixes: bit i where one goes on with i, i + 32, ...

// words.c, pattern.c, config.c
const char *words_add(u32 kind, const u8 *word, u32 len, int fold);
const char *pattern_add(u32 kind, const u8 *pattern, u32 len);

#endif
