// The configuration, strict:
//
//   {"kinds": ["default", "lei"],                                    the built-in kinds that are on; absent: ["default"]
//    "hold": 320,                                                    the longest finding that is held back whole
//    "words": [{"kind": "project", "words": ["Falcon"], "case": true}],   case: letters must match in case; absent: false
//    "patterns": [{"kind": "ticket", "pattern": "\\bTCK-\\d{6}\\b"}]}     pattern.c says what is taken
#include "redact.h"
#include "json.h"

static const char *problem; // the first thing wrong that is no fault of the JSON

static int wrong(const char *what) {
	if (!problem) problem = what;
	return 0;
}

static u32 find_kind(const char *name) {
	u32 k = 0;
	while (k < kinds_len && !json_is(kinds[k].name, name)) k++;
	return k;
}

static int kind_name(json_t *j, char *name) {
	u32 n;
	if (!json_string(j, (u8 *)name, KIND_NAME - 1, &n)) return 0;
	name[n] = 0;
	for (u32 i = 0; i < n; i++) {
		u32 c = (u8)name[i];
		if (!(c - 'a' < 26 || (i && (c - '0' < 10 || c == '_'))))
			return wrong("kind: lower-case letters, digits and _ are expected, a letter first");
	}
	return n || wrong("kind: a name is expected");
}

static int read_kinds(json_t *j) {
	char name[KIND_NAME];
	for (u32 k = 0; k < BUILTIN; k++) kinds[k].on = 0;
	if (json_array(j))
		while (json_element(j)) {
			if (!kind_name(j, name)) return 0;
			u32 k = find_kind(name), usual = json_is(name, "default");
			if (k >= BUILTIN && !usual) return wrong("kinds: unknown: the filter's README has the list; \"default\" stands for those that are usually on");
			if (!usual) kinds[k].on = 1;
			for (k = 0; usual && k < BUILTIN; k++) kinds[k].on |= kinds[k].usual;
		}
	return !j->error;
}

// custom_kind finds or adds a kind of the configuration. A built-in name is refused: its spans would not be what it says.
static int custom_kind(const char *name, u32 *kind) {
	if (!name[0]) return wrong("an entry has no kind, or its kind does not come first");
	*kind = find_kind(name);
	if (*kind < BUILTIN) return wrong("kind: the name of a built-in kind can't be used for words or patterns");
	if (*kind < kinds_len) return 1;
	if (kinds_len == BUILTIN + MAX_CUSTOM) return wrong("more than 16 kinds are added");
	struct kind *k = &kinds[kinds_len++];
	for (k->len = 0; name[k->len]; k->len++) k->name[k->len] = name[k->len];
	k->on = 1;
	return 1;
}

static int read_list(json_t *j, const char *name, int fold) {
	u8 word[72];
	u32 n, kind;
	if (!custom_kind(name, &kind)) return 0;
	if (json_array(j))
		while (json_element(j)) {
			if (!json_string(j, word, sizeof word, &n)) return 0;
			const char *fault = words_add(kind, word, n, fold);
			if (fault) return wrong(fault);
		}
	return !j->error;
}

// An entry of words is read twice, as "case" may stand behind the words.
static int read_words(json_t *j) {
	json_t again = *j;
	char key[16], name[KIND_NAME] = "";
	int cased = 0;
	if (json_object(j))
		while (json_member(j, key, sizeof key)) {
			int ok = json_is(key, "kind") ? kind_name(j, name)
				: json_is(key, "case")    ? json_bool(j, &cased)
				: json_is(key, "words")   ? json_skip(j)
										  : wrong("words: unknown key: kind, words and case are known");
			if (!ok) return 0;
		}
	if (j->error) return 0;
	json_object(&again);
	while (json_member(&again, key, sizeof key))
		if (json_is(key, "words") ? !read_list(&again, name, !cased) : !json_skip(&again)) break;
	return !again.error || json_fail(j, again.error);
}

static int read_pattern(json_t *j) {
	static u8 pattern[512];
	char key[16], name[KIND_NAME] = "";
	u32 n = 0, kind;
	if (json_object(j))
		while (json_member(j, key, sizeof key)) {
			int ok = json_is(key, "kind")    ? kind_name(j, name)
				: json_is(key, "pattern") ? json_string(j, pattern, sizeof pattern, &n)
										  : wrong("patterns: unknown key: kind and pattern are known");
			if (!ok) return 0;
		}
	if (j->error || problem || !custom_kind(name, &kind)) return 0;
	const char *fault = n ? pattern_add(kind, pattern, n) : "pattern: it is empty or missing";
	return fault ? wrong(fault) : 1;
}

static int read_all(json_t *j, int (*read)(json_t *)) {
	if (json_array(j))
		while (json_element(j))
			if (!read(j) || problem) return 0;
	return !j->error;
}

static int read_hold(json_t *j) {
	json_peek(j);
	u32 from = j->at, n = 0;
	if (!json_number(j)) return 0;
	for (u32 i = from; i < j->at; i++) {
		if (j->text[i] - '0' > 9u || i - from > 4) return wrong("hold: a whole number from 96 to 2048 is expected");
		n = n * 10 + j->text[i] - '0';
	}
	if (n < LEAST_HOLD || n > MOST_HOLD) return wrong("hold: a whole number from 96 to 2048 is expected");
	hold = n;
	return 1;
}

static int read_config(json_t *j) {
	char key[16];
	if (json_object(j))
		while (json_member(j, key, sizeof key)) {
			int ok = json_is(key, "kinds")   ? read_kinds(j)
				: json_is(key, "hold")     ? read_hold(j)
				: json_is(key, "words")    ? read_all(j, read_words)
				: json_is(key, "patterns") ? read_all(j, read_pattern)
										   : wrong("unknown key: kinds, hold, words and patterns are known");
			if (!ok || problem) return 0;
		}
	return json_end(j);
}

static u32 length(const char *s) {
	u32 n = 0;
	while (s[n]) n++;
	return n;
}

SLUICE_EXPORT(on_config) i32 on_config(const u8 *json, u32 len) {
	json_t j = {.text = json, .len = len};
	problem = 0;
	if (read_config(&j) && !problem) return 0;
	const char *why = problem ? problem : j.error ? j.error : "it can't be read";
	sluice_log(SLUICE_ERROR, why, length(why));
	return 1;
}
