// Word lists: exact words of the configuration, found where no word goes on at either side. Words are looked up by their first
// two bytes, so that a long list costs little more than a short one.
#include "redact.h"

#define MAX_WORDS 2048
#define POOL 24576 // bytes of all words
#define MAX_WORD 64
#define BUCKETS 256

#define FOLD 128 // beside the kind: letters match in either case

static struct {
	u16 next, at;
	u8 len, kind;
} words[MAX_WORDS + 1]; // 0 is none
static u32 words_len;
static u8 pool[POOL];
static u32 pool_len;
static u16 heads[BUCKETS];

static u32 bucket(u32 a, u32 b) { return (lower(a) * 31 + lower(b)) % BUCKETS; }

// words_add takes one word of a kind; fold: ASCII letters in either case. The result is what is wrong, or 0.
const char *words_add(u32 kind, const u8 *word, u32 len, int fold) {
	if (len < 2 || len > MAX_WORD) return "words: a word has 2 to 64 bytes";
	if (words_len == MAX_WORDS || pool_len + len > POOL) return "words: more than 2048 words or 24576 bytes";
	u32 w = ++words_len, b = bucket(word[0], word[1]);
	words[w].next = heads[b], words[w].at = (u16)pool_len, words[w].len = (u8)len;
	words[w].kind = (u8)(fold ? kind | FOLD : kind);
	heads[b] = (u16)w;
	for (u32 i = 0; i < len; i++) pool[pool_len++] = (u8)(fold ? lower(word[i]) : word[i]);
	custom = 1;
	classes[word[0]] |= C_CUSTOM;
	if (fold && lower(word[0]) - 'a' < 26) classes[lower(word[0])] |= C_CUSTOM, classes[lower(word[0]) - 32] |= C_CUSTOM;
	return 0;
}

static int stands(u32 w, u32 t) {
	const u8 *word = pool + words[w].at;
	u32 fold = words[w].kind & FOLD;
	for (u32 i = 0; i < words[w].len; i++)
		if ((fold ? lower(at(t + i)) : at(t + i)) != word[i]) return 0;
	u32 len = words[w].len;
	if (word_byte(word[0]) && word_byte(behind(t, 1))) return 0;
	return !(word_byte(word[len - 1]) && word_byte(at(t + len)));
}

void find_words(u32 t) {
	if (!words_len) return;
	for (u32 w = heads[bucket(text.b[t], at(t + 1))]; w; w = words[w].next)
		if (stands(w, t)) offer(words[w].kind & ~(u32)FOLD, t + words[w].len, 0);
}
