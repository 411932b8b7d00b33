// Words of plain text as they stand in a register: eight bytes are read at once, the first letter lowest, in lower case. Most of
// a text is words of no phrase; this is all that is done for them.
#ifndef GUARD_PACKED_H
#define GUARD_PACKED_H

#include "guard.h"

#define EACH(byte) (0x0101010101010101ull * (byte))

typedef u64 __attribute__((aligned(1), may_alias)) unaligned_u64;

static inline u64 packed_load(const u8 *b) { return *(const unaligned_u64 *)b | EACH(0x20); }

// packed_others has the top bit of each byte that is no letter. No sum carries into the next byte.
static inline u64 packed_others(u64 v) {
	u64 low = v & EACH(0x7f);
	return (v | (low + EACH(0x7f - 'z')) | ~(low + EACH(0x80 - 'a'))) & EACH(0x80);
}

// packed_twins has the top bit of each letter that the next one repeats; above the letters, w is 0.
static inline u64 packed_twins(u64 w) { return ~((w ^ w >> 8) + EACH(0x7f)) & w >> 7 & EACH(0x80); }

// packed_once counts doubled letters once, as append_letter does.
static inline u64 packed_once(u64 w) {
	for (u64 twins; (twins = packed_twins(w));) {
		u64 below = ((twins & -twins) - 1) >> 7; // the bytes before the first of them
		w = (w & below) | (w >> 8 & ~below);
	}
	return w;
}

static inline u32 packed_len(u64 w) { return w ? 8 - (u32)__builtin_clzll(w) / 8 : 0; }

// packed_beginning is a number below 32^3 for the first three letters.
static inline u32 packed_beginning(u64 w) { return (w & 31) | (w >> 3 & 31 << 5) | (w >> 6 & 31 << 10); }

// vocab.c
#define MAX_IDS 2048
#define TABLE 8192             // slots of the table: at most half of them are used
#define TABLE_KEY(h) ((u32)((h) >> 16) | 1)
#define TABLE_SLOT(h) ((u32)((h) >> 51))
extern u32 vocab_keys[TABLE]; // another part of the word's hash; the first says where to look
extern u16 vocab_ids[TABLE];
extern u32 vocab_begins[1024]; // a bit for each three letters that a word begins with
extern u32 vocab_pairs[32];    // a bit for each two letters that words run together may begin with
extern u64 vocab_prefixes;     // a bit for each length of a prefix in use

// vocab_mix spreads up to eight letters, and what is known of those before, over a hash.
static inline u64 vocab_mix(u64 h) {
	h *= 0x9e3779b97f4a7c15ull;
	h ^= h >> 32;
	return h * 0xd6e8feb86659fd93ull;
}

static inline u32 vocab_place(u64 h) {
	u32 key = TABLE_KEY(h), i = TABLE_SLOT(h);
	while (vocab_keys[i] && vocab_keys[i] != key) i = (i + 1) % TABLE;
	return i;
}

static inline int vocab_begin(u32 beginning) { return vocab_begins[beginning >> 5] >> (beginning & 31) & 1; }

u32 vocab_find(u64 w); // the id of a word of at most seven letters, doubled ones once; NONE where vocab_look has none

// vocab_far is 0 for a longer word, its first eight letters at w, that is neither known nor words run together.
static inline int vocab_far(u64 w) {
	return (packed_twins(w & 0xffffff) != 0) | vocab_begin(packed_beginning(w)) | (vocab_pairs[w & 31] >> (w >> 8 & 31) & 1);
}

#endif
