// guard.h: what the parts of builtin:guard share.
//
// The way of a text, each step a file:
//
//   bytes -> fold.c: characters (case, width, look-alikes, invisible ones) -> pattern.c: patterns, character by character
//                                                                          -> compound.c: words -> vocab.c: their numbers
//         -> phrase.c: phrases complete at a word -> finding.c: counts, score, verdicts, spans; guard.c runs it and holds back
//
// Plain text, which most of it is, goes a shorter way to the same end: compound_plain reads its words eight letters at once
// (packed.h) and passes over those of no phrase.
//
// The rule that makes whole equal to streamed: an event (a pattern ends, a word is judged) happens at a position of the scan
// that the text alone decides. The scan of a call begins where the text held back begins and passes over it again; events
// up to where the scan was before change what is under way but are not told a second time.
#ifndef GUARD_H
#define GUARD_H

#include "sluice.h"

#define HOLD 320        // most bytes from the first word of a finding to its last
#define MAX_LISTS 16    // lists in use, built-in ones among them; the word of continuation holds 2 bits for each
#define MAX_SLOTS 12    // significant words of a phrase
#define MAX_GAP 8       // other words that may stand between them
#define MAX_WORD 63     // letters of a word; longer ones are none
#define LIST_NAME 26    // bytes of a list's name: guard_<name> is a kind, of at most 32
#define REACH 31        // how many words back a finding can begin: below MAX_SLOTS + MAX_GAP and the ring's size
#define NONE 0xffff

// What fold gives for a character that is neither ASCII nor a letter.
enum { DROP = 0x110000, SYMBOL, IDEOGRAPH = 0x400000, PAIR = 0x800000 };

// What stands before a character: the beginning of a line, white space, a sign, a letter or figure.
enum { LINE, SPACE, INSIDE, WORD };

// fold.c: the text of a call.
extern struct text {
	const u8 *b;
	u32 n;
	int final;     // nothing follows
	int arguments; // JSON, escapes as they stand
} text;

u32 unit(u32 i, u32 *width); // the character at i; width 0 where it has not all arrived
u32 ascii_fold(u32 c);
static inline int is_letter(u32 c) { return c - 'a' < 26 || (c >= 0x80 && c < DROP); }
static inline int is_digit(u32 c) { return c - '0' < 10; }

// vocab.c: words and what they are called. An id is the same for a word's inflected forms.
typedef struct {
	u16 ids[3];
	u8 n;    // ids in use
	u8 stop; // a filler word: it is not counted
} look_t;

enum { ID_STOP = 1, ID_FIRST = 2, ID_SECOND = 4, ID_USED = 8 }; // a filler; the first, the second word of an exception; in a phrase
extern u8 id_flags[];
extern u8 id_reach[]; // how many words a phrase that begins with it spans at most; 0: none begins with it
void vocab_reset(void);
u32 vocab_intern(const u32 *letters, u32 n, int prefix); // NONE where there are too many words
look_t vocab_look(const u32 *letters, u32 n, u32 digits); // digits: how many of the letters are figures
u32 vocab_flags(const look_t *l);
u32 vocab_split(const u32 *letters, u32 n, u16 *ids, u32 cap); // words run together: how many, 0 where it is not made of words
int vocab_except(u32 first, u32 second);   // adds an exception
int vocab_excepted(const look_t *a, const look_t *b);
static inline u32 append_letter(u32 *letters, u32 n, u32 c) { // doubled letters count once
	if (n && letters[n - 1] == c && !is_digit(c)) return n;
	if (n <= MAX_WORD) letters[n < MAX_WORD ? n : MAX_WORD - 1] = c;
	return n < MAX_WORD ? n + 1 : MAX_WORD + 1;
}

// pattern.c
extern u8 pattern_first[129]; // a bit for each of LINE to WORD: a pattern may begin with this character behind it
extern u64 pattern_live;      // not 0 while a pattern is under way
int pattern_begins(u64 w);      // with a word whose first letters are w, in lower case, the first letter lowest
int pattern_after_word(void); // one may begin with a space, comma or full stop behind a word
void pattern_reset(void);
void pattern_begin(void); // of a call
const char *pattern_add(u32 list, u32 weight, const u8 *source, u32 len);
void pattern_feed(u32 c, u32 before); // one character, and what stands before it

// compound.c: words out of characters.
typedef struct {
	look_t look;
	u32 start, end; // in the buffer
	u32 number;     // counted over words that are no fillers, and ends of sentences
	u32 from;       // where its compound starts: from there a scan finds the same words
	u8 before;      // LINE to WORD: before from
} word_t;
void compound_begin(u32 first_number, int junk);
void compound_letter(u32 c, u32 i, u32 end, u32 before);
void compound_other(u32 c, u32 i);
u32 compound_run(u32 i);                       // the rest of the word at hand, as far as it is plain
void compound_end(void);                       // of the text
u32 compound_plain(u32 i, u8 *before);          // words of plain text from i on; before: what stands before i
int compound_junk(void);                       // inside a run too long for a word
int compound_open(u32 *from, u8 *before);      // a compound is under way, from there
int compound_pending(u32 *from, u8 *before);   // words wait to be judged, and need the text from there
u32 compound_number(void);                     // of the next word to be judged

// phrase.c
void phrase_reset(void);
const char *phrase_add(u32 list, u32 weight, int any, u32 gap, const u8 *words, u32 len);
#define RULE_SETS 6
const char *phrase_set(u32 set, const u8 *words, u32 len); // of the built-in rules: set+1 as a byte in their text stands for it
extern int phrase_sets;                                    // those bytes count
const char *except_add(const u8 *words, u32 len);
void phrase_begin(u32 first_number);
void phrase_word(const word_t *w);
int phrase_waiting(u32 next_number, u32 position, u32 *from, u8 *before); // a phrase may be under way since there
void phrase_forget(u32 next_number); // the words before that one

// finding.c
enum { LABEL, REJECT, REDACT };
enum { ON_REQUEST = 1, ON_ANSWER = 2 };
extern struct list {
	char name[LIST_NAME + 1], code[65], message[201];
	u8 name_len, code_len, message_len;
	u8 action, on, roles; // roles: a bit for each role class
	u8 weight;
	u8 in_use;
} lists[MAX_LISTS];
extern u32 lists_len;
extern u32 reject_at;   // 0: no verdict by score
extern struct scan {
	u32 at;       // the position of the event at hand
	u32 told;     // events up to here were told by an earlier call
	u32 active;   // a bit for each list that looks at this text
	u32 span_end; // where the last span ends
	u32 redacted; // where the last compound with a redacted finding ends: nothing before it counts any more
	int redact;   // the words at hand had such a finding
	int over;     // a verdict was given
	u32 score;
	u32 counts;   // 2 bits for each list
	u32 changed;  // lists whose counts changed in this call
} scan;
int list_find(const char *name);
void finding(u32 list, u32 weight, u32 start, u32 end);
void tell_labels(void);

// guard.c
void scan_again(u32 from); // the patterns over what was scanned from there on

// config.c
extern u32 hidden_list, hidden_weight; // the list that runs of invisible characters belong to, and their weight
u32 length(const char *s);

#endif
