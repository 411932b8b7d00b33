// Words: a table from a word's letters to its id. Inflected forms share an id: endings are taken away the same way from the
// words of phrases and of texts, irregular forms are listed. Figures among letters are read as the letters they look like.
#include "packed.h"
#include "words.h"

#define MAX_EXCEPTIONS 192
#define PREFIX 0x9e3779b97f4a7c15ull

u32 vocab_keys[TABLE], vocab_begins[1024], vocab_pairs[32];
u16 vocab_ids[TABLE];
u64 vocab_prefixes;
static u32 keys_used;
static u32 ids_len;
u8 id_flags[MAX_IDS], id_reach[MAX_IDS];
static struct {
	u16 first, second;
} exceptions[MAX_EXCEPTIONS];
static u32 exceptions_len;

// hash_t is a word's hash under way: its letters are taken eight at a time, each in its byte.
typedef struct {
	u64 done, letters;
	u32 shift;
} hash_t;

static inline void hash_letter(hash_t *h, u32 c) {
	u64 spread = c < 128 ? c : c * PREFIX; // other letters take more than a byte
	h->letters ^= spread << h->shift | spread >> 1 >> (63 - h->shift);
	if ((h->shift = (h->shift + 8) % 64)) return;
	h->done = vocab_mix(h->done ^ h->letters), h->letters = 0;
}

static inline u64 hash_end(const hash_t *h) { return vocab_mix(h->done ^ h->letters); }

static u64 hash(const u32 *letters, u32 n, u32 last) {
	hash_t h = {0, 0, 0};
	for (u32 i = 0; i + 1 < n; i++) hash_letter(&h, letters[i]);
	if (n) hash_letter(&h, last);
	return hash_end(&h);
}

static u64 hash_word(const u32 *letters, u32 n) { return hash(letters, n, n ? letters[n - 1] : 0); }

static u32 look_hash(u64 h) {
	u32 i = vocab_place(h);
	return vocab_keys[i] ? vocab_ids[i] : NONE;
}

static int put(u64 h, u32 id) {
	u32 i = vocab_place(h);
	if (vocab_keys[i]) return 1;
	if (keys_used >= TABLE / 2) return 0;
	keys_used++;
	vocab_keys[i] = TABLE_KEY(h), vocab_ids[i] = (u16)id;
	return 1;
}

static int vowel(u32 c) { return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' || c == 'y'; }

static int ends(const u32 *l, u32 n, const char *with, u32 k) {
	if (n < k + 2) return 0;
	for (u32 i = 0; i < k; i++)
		if (l[n - k + i] != (u8)with[i]) return 0;
	for (u32 i = 0; i < n - k; i++)
		if (vowel(l[i])) return 1;
	return 0;
}

// stem takes English endings away and gives the new length; last gets the last letter. It may make two words one that are not:
// phrases have several words.
static u32 stem(const u32 *l, u32 n, u32 *last) {
	*last = n ? l[n - 1] : 0;
	if (*last - 'a' >= 26) return n;
	if (n > 4 && l[n - 1] == 's' && l[n - 2] == 'e' && l[n - 3] == 'i') n -= 2;
	else if (n > 3 && l[n - 1] == 's' && l[n - 2] != 'u' && l[n - 2] != 'i') n--;
	if (n >= 5 && ends(l, n, "ing", 3)) n -= 3;
	else if (n >= 5 && ends(l, n, "er", 2)) n -= 2;
	else if (n >= 5 && ends(l, n, "ed", 2)) n -= 2;
	if (n >= 4 && l[n - 1] == 'e') n--;
	if (n >= 2 && l[n - 1] == l[n - 2]) n--;
	if (n) *last = n >= 3 && l[n - 1] == 'y' ? 'i' : l[n - 1];
	return n;
}

static u64 stem_hash(const u32 *l, u32 n) {
	u32 last;
	n = stem(l, n, &last);
	return hash(l, n, last);
}

// stems is 0 where stem leaves a word with that last letter as it is.
static int stems(u32 last) {
	return last == 's' || last == 'g' || last == 'r' || last == 'd' || last == 'e' || last == 'y';
}

static int packed_vowel(u64 w) {
	const u32 vowels = 1 << ('a' & 31) | 1 << ('e' & 31) | 1 << ('i' & 31) | 1 << ('o' & 31) | 1 << ('u' & 31) | 1 << ('y' & 31);
	for (; w; w >>= 8)
		if ((w & 64) && vowels >> (w & 31) & 1) return 1;
	return 0;
}

// packed_stem is stem for the word at w. In top its last letter is the highest byte: a shift takes letters away.
static u64 packed_stem(u64 w) {
	u32 n = packed_len(w);
	u64 top = w << (64 - 8 * n);
	u32 three = (u32)(top >> 40), two = three >> 8, one = two >> 8;
	if (n > 4 && three == ('i' | 'e' << 8 | 's' << 16)) top <<= 16, n -= 2;
	else if (n > 3 && one == 's' && (two & 255) != 'u' && (two & 255) != 'i') top <<= 8, n--;
	three = (u32)(top >> 40), two = three >> 8;
	u32 away = three == ('i' | 'n' << 8 | 'g' << 16) ? 3 : two == ('e' | 'r' << 8) || two == ('e' | 'd' << 8) ? 2 : 0;
	if (n >= 5 && away && packed_vowel(top << 8 * away >> (64 - 8 * (n - away)))) top <<= 8 * away, n -= away;
	if (n >= 4 && top >> 56 == 'e') top <<= 8, n--;
	if (n >= 2 && top >> 56 == (top >> 48 & 255)) top <<= 8, n--; // a figure
	if (n >= 3 && top >> 56 == 'y') top ^= (u64)('y' ^ 'i') << 56;
	return top >> (64 - 8 * n);
}

static int plain3(const u32 *l) { return l[0] - 'a' < 26 && l[1] - 'a' < 26 && l[2] - 'a' < 26; }
static u32 beginning(const u32 *l) { return packed_beginning(l[0] | l[1] << 8 | l[2] << 16); }

// may_begin is 0 where no known word of three letters or more begins like l, to spare it the hash.
static int may_begin(const u32 *l, u32 n) { return n < 3 || !plain3(l) || vocab_begin(beginning(l)); }

static void note_beginning(const u32 *l, u32 n) {
	if (n < 3 || !plain3(l)) return;
	u32 k = beginning(l);
	vocab_begins[k >> 5] |= 1u << (k & 31);
}

// note_pair notes words of two letters, which others that run together may begin with.
static void note_pair(const u32 *l, u32 n, u32 last) {
	if (n == 2 && l[0] - 'a' < 26 && last - 'a' < 26) vocab_pairs[l[0] & 31] |= 1u << (last & 31);
}

static void note(const u32 *l, u32 n) {
	u32 last, stemmed = stem(l, n, &last);
	note_beginning(l, n);
	note_pair(l, stemmed, last);
	if (n) note_pair(l, n, l[n - 1]);
}

static u32 intern_hash(u64 h, u64 raw) {
	u32 id = look_hash(h);
	if (id == NONE) {
		if (ids_len == MAX_IDS) return NONE;
		id = ids_len;
		if (!put(h, id)) return NONE;
		ids_len++;
	}
	return put(raw, id) ? id : NONE;
}

u32 vocab_intern(const u32 *letters, u32 n, int prefix) {
	u64 raw = hash_word(letters, n);
	note(letters, n);
	if (prefix) {
		vocab_prefixes |= 1ull << n;
		return intern_hash(raw ^ PREFIX, raw ^ PREFIX);
	}
	u32 id = look_hash(raw);
	if (id != NONE) return id;
	if (n == 3 && letters[2] == 'y') note_beginning((u32[]){letters[0], letters[1], 'i'}, 3);
	return intern_hash(stem_hash(letters, n), raw);
}

static void add_id(look_t *to, u32 id) {
	if (id == NONE || !id_flags[id]) return;
	if (id_flags[id] & ID_STOP) to->stop = 1;
	for (u32 i = 0; i < to->n; i++)
		if (to->ids[i] == id) return;
	if (to->n < sizeof to->ids / sizeof to->ids[0]) to->ids[to->n++] = (u16)id;
}

static void look_prefixes(look_t *to, const u32 *letters, u32 n) {
	hash_t h = {0, 0, 0};
	for (u32 i = 0; i < n && i < MAX_WORD; i++) {
		hash_letter(&h, letters[i]);
		if (vocab_prefixes >> (i + 1) & 1) add_id(to, look_hash(hash_end(&h) ^ PREFIX));
	}
}

u32 vocab_find(u64 w) {
	u32 id = look_hash(vocab_mix(w));
	if (id == NONE && stems((u32)(w >> (8 * packed_len(w) - 8)))) id = look_hash(vocab_mix(packed_stem(w)));
	return id == NONE || !id_flags[id] ? NONE : id;
}

static u32 find_long(const u32 *letters, u32 n) {
	u32 id = look_hash(hash_word(letters, n));
	return id == NONE && n && stems(letters[n - 1]) ? look_hash(stem_hash(letters, n)) : id;
}

// pack gives 0 where a word has more than seven letters, or others than ASCII.
static u64 pack(const u32 *letters, u32 n) {
	u64 w = 0;
	u32 all = 0;
	if (n > 7) return 0;
	for (u32 i = 0; i < n; i++) all |= letters[i], w |= (u64)letters[i] << 8 * i;
	return all < 128 ? w : 0;
}

static void look_word(look_t *to, const u32 *letters, u32 n) {
	if (!may_begin(letters, n)) return;
	if (vocab_prefixes) look_prefixes(to, letters, n);
	u64 w = pack(letters, n);
	add_id(to, w ? vocab_find(w) : find_long(letters, n));
}

// look_leet reads figures as letters: 1 as i and as l. Doubled letters that come of it count once.
static void look_leet(look_t *to, const u32 *letters, u32 n) {
	static const char as[] = "oieeasgtbg";
	for (u32 one = 0; one < 2; one++) {
		u32 word[MAX_WORD], k = 0, ones = 0;
		for (u32 i = 0; i < n; i++) {
			u32 c = letters[i];
			if (c == '1') ones = 1, c = one ? 'l' : 'i';
			else if (c == '2') c = 'z';
			else if (is_digit(c)) c = (u8)as[c - '0'];
			k = append_letter(word, k, c);
		}
		look_word(to, word, k);
		if (to->n || !ones) return;
	}
}

look_t vocab_look(const u32 *letters, u32 n, u32 digits) {
	look_t to = {{0}, 0, 0};
	look_word(&to, letters, n);
	if (!to.n && digits && digits < n) look_leet(&to, letters, n);
	return to;
}

u32 vocab_split(const u32 *letters, u32 n, u16 *ids, u32 cap) {
	u16 id_at[MAX_WORD + 1];
	u8 from[MAX_WORD + 1];
	if (n > MAX_WORD) return 0;
	for (u32 i = 0; i <= n; i++) from[i] = 255;
	from[0] = 0;
	for (u32 i = 0; i < n; i++) {
		if (from[i] == 255) continue;
		hash_t h = {0, 0, 0};
		u32 end = may_begin(letters + i, n - i) ? i + 16 : i + 2;
		for (u32 k = i; k < n && k < end; k++) {
			hash_letter(&h, letters[k]);
			if (from[k + 1] != 255 || (k == i && letters[i] != 'a' && letters[i] != 'i')) continue;
			u32 id = look_hash(hash_end(&h));
			if (id == NONE) continue;
			from[k + 1] = (u8)i, id_at[k + 1] = (u16)id;
			if (k + 1 < n && letters[k + 1] == 's' && from[k + 2] == 255) from[k + 2] = (u8)i, id_at[k + 2] = (u16)id; // a plural
		}
	}
	u32 count = 0;
	if (from[n] == 255) return 0;
	for (u32 i = n; i; i = from[i]) count++;
	if (count > cap) return 0;
	for (u32 i = n, k = count; i; i = from[i]) ids[--k] = id_at[i];
	return count;
}

int vocab_except(u32 first, u32 second) {
	if (exceptions_len == MAX_EXCEPTIONS) return 0;
	exceptions[exceptions_len].first = (u16)first, exceptions[exceptions_len++].second = (u16)second;
	id_flags[first] |= ID_FIRST, id_flags[second] |= ID_SECOND;
	return 1;
}

static int has(const look_t *l, u32 id) {
	for (u32 i = 0; i < l->n; i++)
		if (l->ids[i] == id) return 1;
	return 0;
}

u32 vocab_flags(const look_t *l) {
	u32 all = 0;
	for (u32 i = 0; i < l->n; i++) all |= id_flags[l->ids[i]];
	return all;
}

int vocab_excepted(const look_t *a, const look_t *b) {
	if (!(vocab_flags(a) & ID_FIRST) || !(vocab_flags(b) & ID_SECOND)) return 0;
	for (u32 i = 0; i < exceptions_len; i++)
		if (has(a, exceptions[i].first) && has(b, exceptions[i].second)) return 1;
	return 0;
}

static u32 intern_text(const char *s, u32 n) {
	u32 letters[MAX_WORD], k = 0;
	for (u32 i = 0; i < n; i++) k = append_letter(letters, k, (u8)s[i]);
	return vocab_intern(letters, k, 0);
}

static u32 word_end(const char *s) {
	u32 n = 0;
	while (s[n] && s[n] != ' ' && s[n] != '=') n++;
	return n;
}

static void alias(const char *s, u32 n, u32 id) {
	u32 letters[MAX_WORD], k = 0;
	for (u32 i = 0; i < n; i++) k = append_letter(letters, k, (u8)s[i]);
	note(letters, k);
	put(hash_word(letters, k), id);
	put(stem_hash(letters, k), id);
}

void vocab_reset(void) {
	for (u32 i = 0; i < TABLE; i++) vocab_keys[i] = 0;
	for (u32 i = 0; i < MAX_IDS; i++) id_flags[i] = id_reach[i] = 0;
	for (u32 i = 0; i < sizeof vocab_begins / sizeof vocab_begins[0]; i++) vocab_begins[i] = 0;
	for (u32 i = 0; i < 32; i++) vocab_pairs[i] = 0;
	vocab_pairs['a' & 31] = vocab_pairs['i' & 31] = ~0u; // words by themselves
	keys_used = ids_len = exceptions_len = 0, vocab_prefixes = 0;
	for (const char *s = filler_words; *s; s += *s == ' ') {
		u32 n = word_end(s), id = intern_text(s, n);
		if (id != NONE) id_flags[id] |= ID_STOP;
		s += n;
	}
	for (const char *s = irregular_words; *s; s += *s == ' ') {
		u32 n = word_end(s), m = word_end(s + n + 1);
		alias(s, n, intern_text(s + n + 1, m));
		s += n + 1 + m;
	}
}
