// Words: a table from a word's letters to its id. Inflected forms share an id: endings are taken away the same way from the
// words of phrases and of texts, irregular forms are listed. Figures among letters are read as the letters they look like.
#include "guard.h"
#include "words.h"

#define MAX_IDS 2048
#define TABLE 8192 // slots of the table: at most half of them are used
#define MAX_EXCEPTIONS 192
#define PREFIX 0x9e3779b97f4a7c15ull

static u32 keys[TABLE]; // a second hash of the word; the first says where to look
static u16 key_ids[TABLE];
static u32 keys_used;
static u32 ids_len;
u8 id_flags[MAX_IDS], id_reach[MAX_IDS];
static u64 prefix_lengths; // a bit for each length of a prefix in use
static u64 begins[275];    // a bit for each three letters that a word begins with
static struct {
	u16 first, second;
} exceptions[MAX_EXCEPTIONS];
static u32 exceptions_len;

static u64 hash_step(u64 h, u32 c) { return (h ^ c) * 0x100000001b3ull; }
static const u64 hash_seed = 0xcbf29ce484222325ull;

static u64 hash(const u32 *letters, u32 n) {
	u64 h = hash_seed;
	for (u32 i = 0; i < n; i++) h = hash_step(h, letters[i]);
	return h;
}

static u32 place(u64 h) {
	u64 mixed = h * PREFIX;
	u32 key = (u32)h | 1, i = (u32)(mixed >> 51);
	while (keys[i] && keys[i] != key) i = (i + 1) % TABLE;
	return i;
}

static u32 look_hash(u64 h) {
	u32 i = place(h);
	return keys[i] ? key_ids[i] : NONE;
}

static int put(u64 h, u32 id) {
	u32 i = place(h);
	if (keys[i]) return 1;
	if (keys_used >= TABLE / 2) return 0;
	keys_used++;
	keys[i] = (u32)h | 1, key_ids[i] = (u16)id;
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
	return n ? hash_step(hash(l, n - 1), last) : hash(l, 0);
}

// beginning is a number below 26^3 for three letters from a to z, more for others.
static u32 beginning(const u32 *l) {
	u32 a = l[0] - 'a', b = l[1] - 'a', c = l[2] - 'a';
	return a < 26 && b < 26 && c < 26 ? (a * 26 + b) * 26 + c : ~0u;
}

// may_begin is 0 where no known word of three letters or more begins like l, to spare it the hash.
static int may_begin(const u32 *l, u32 n) {
	if (n < 3) return 1;
	u32 k = beginning(l);
	return k == ~0u || begins[k >> 6] >> (k & 63) & 1;
}

static void note_beginning(const u32 *l, u32 n) {
	u32 k = n < 3 ? ~0u : beginning(l);
	if (k != ~0u) begins[k >> 6] |= 1ull << (k & 63);
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
	u64 raw = hash(letters, n);
	note_beginning(letters, n);
	if (prefix) {
		prefix_lengths |= 1ull << n;
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
	u64 h = hash_seed;
	for (u32 i = 0; i < n && i < MAX_WORD; i++) {
		h = hash_step(h, letters[i]);
		if (prefix_lengths >> (i + 1) & 1) add_id(to, look_hash(h ^ PREFIX));
	}
}

static void look_word(look_t *to, const u32 *letters, u32 n) {
	if (!may_begin(letters, n)) return;
	if (prefix_lengths) look_prefixes(to, letters, n);
	u32 id = look_hash(hash(letters, n));
	if (id == NONE) id = look_hash(stem_hash(letters, n));
	add_id(to, id);
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
		u64 h = hash_seed;
		u32 end = may_begin(letters + i, n - i) ? i + 16 : i + 2;
		for (u32 k = i; k < n && k < end; k++) {
			h = hash_step(h, letters[k]);
			if (from[k + 1] != 255 || (k == i && letters[i] != 'a' && letters[i] != 'i')) continue;
			u32 id = look_hash(h);
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
	note_beginning(letters, k);
	put(hash(letters, k), id);
	put(stem_hash(letters, k), id);
}

void vocab_reset(void) {
	for (u32 i = 0; i < TABLE; i++) keys[i] = 0;
	for (u32 i = 0; i < MAX_IDS; i++) id_flags[i] = id_reach[i] = 0;
	for (u32 i = 0; i < sizeof begins / sizeof begins[0]; i++) begins[i] = 0;
	keys_used = ids_len = exceptions_len = 0, prefix_lengths = 0;
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
