// The configuration, strict; README.md says what each key means. It is read twice, since what a list is to do may stand behind its
// phrases: first the lists with their settings, then phrases and patterns. A fault names its place, and what to do.
#include "guard.h"
#include "json.h"
#include "rules.h"

#define MAX_PHRASE 256 // bytes
#define NOT_GIVEN 255

u32 hidden_list = HIDDEN, hidden_weight = HIDDEN_WEIGHT;

u32 length(const char *s) {
	u32 n = 0;
	while (s[n]) n++;
	return n;
}

// Where the reading is, for the fault.
static struct {
	const char *key, *inner;
	u32 entry, item; // counted from 1; 0: none
	char name[LIST_NAME + 1];
} place;
static const char *problem;

static int wrong(const char *what) {
	if (!problem) problem = what;
	return 0;
}

static struct {
	char text[480];
	u32 n;
} line;

static void put(const char *s) {
	for (; *s && line.n < sizeof line.text; s++) line.text[line.n++] = *s;
}

static void put_number(u32 n) {
	char digits[11];
	u32 at = 10;
	digits[10] = 0;
	do digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	put(digits + at);
}

static void put_entry(const char *key, u32 entry) {
	put(key);
	if (entry) put(" entry "), put_number(entry);
}

static i32 refuse(const char *why) {
	line.n = 0;
	if (place.key) {
		put_entry(place.key, place.entry);
		if (place.name[0]) put(" (\""), put(place.name), put("\")");
		put(": ");
		if (place.inner) put_entry(place.inner, place.item), put(": ");
	}
	put(why);
	sluice_log(SLUICE_ERROR, line.text, line.n);
	return 1;
}

static int json_count(json_t *j, u32 *value, u32 least, u32 most, const char *fault) {
	json_peek(j);
	u32 from = j->at, n = 0;
	if (j->error || !json_number(j)) return wrong(fault);
	for (u32 i = from; i < j->at; i++) {
		if (j->text[i] - '0' >= 10u || n > most) return wrong(fault);
		n = n * 10 + (j->text[i] - '0');
	}
	return *value = n, (n >= least && n <= most) || wrong(fault);
}

static int short_string(json_t *j, char *to, u32 cap, const char *fault) {
	u32 n;
	if (!json_string(j, (u8 *)to, cap, &n)) return j->error && json_is(j->error, "a string is too long") ? wrong(fault) : 0;
	to[n] = 0;
	return 1;
}

static int word_of(const char *s, int dashes) {
	for (u32 i = 0; s[i]; i++) {
		u32 c = (u8)s[i];
		if (!(c - 'a' < 26 || ((i || dashes) && (c - '0' < 10 || c == '_')))) return 0;
	}
	return s[0] != 0;
}

int list_find(const char *name) {
	for (u32 l = 0; l < lists_len; l++)
		if (json_is(lists[l].name, name)) return (int)l;
	return -1;
}

// settings of a list's entry as they are read; what is not given stays as it is.
static struct {
	char name[LIST_NAME + 1], code[65], message[201];
	int action, on, roles;
	u32 weight, gap;
	int any; // -1: not given
	int phrases, patterns;
} entry;

static int read_name(json_t *j) {
	static const char fault[] = "name: 1 to 26 of a-z, 0-9 and _ are expected, a letter first";
	if (!short_string(j, entry.name, LIST_NAME, fault)) return 0;
	for (u32 i = 0; i <= LIST_NAME; i++) place.name[i] = entry.name[i];
	if (json_is(entry.name, "score")) return wrong("name: score is the label of the score; choose another name");
	return word_of(entry.name, 0) || wrong(fault);
}

static int read_word(json_t *j, const char *const *words, u32 n, int *value, const char *fault) {
	char word[16];
	if (!short_string(j, word, 15, fault)) return 0;
	for (u32 i = 0; i < n; i++)
		if (json_is(word, words[i])) return *value = (int)i, 1;
	return wrong(fault);
}

// read_flags reads a list of words into bits.
static int read_flags(json_t *j, const char *const *words, u32 n, int *bits, const char *fault) {
	int value;
	*bits = 0;
	if (json_array(j))
		while (json_element(j)) {
			if (!read_word(j, words, n, &value, fault)) return 0;
			*bits |= 1 << value;
		}
	return !j->error && (*bits || wrong(fault));
}

static const char *const action_words[] = {"label", "reject", "redact"};
static const char *const on_words[] = {"request", "response"};
static const char *const order_words[] = {"same", "any"};
static const char *const role_words[] = {"other", "system", "user", "assistant", "tool", "definition"};

static int read_code(json_t *j) {
	static const char fault[] = "code: 1 to 64 of a-z, 0-9 and _ are expected";
	return short_string(j, entry.code, 64, fault) && (word_of(entry.code, 1) || wrong(fault));
}

static int read_setting(json_t *j, const char *key) {
	if (json_is(key, "name")) return read_name(j);
	if (json_is(key, "action")) return read_word(j, action_words, 3, &entry.action, "action: label, reject or redact is expected");
	if (json_is(key, "on")) return read_flags(j, on_words, 2, &entry.on, "on: a list of request and response is expected");
	if (json_is(key, "roles")) return read_flags(j, role_words, 6, &entry.roles, "roles: a list of user, assistant, tool, system, definition and other is expected");
	if (json_is(key, "order")) return read_word(j, order_words, 2, &entry.any, "order: any or same is expected");
	if (json_is(key, "weight")) return json_count(j, &entry.weight, 0, 100, "weight: a whole number from 0 to 100 is expected");
	if (json_is(key, "gap")) return json_count(j, &entry.gap, 0, MAX_GAP, "gap: a whole number from 0 to 8 is expected");
	if (json_is(key, "code")) return read_code(j);
	if (json_is(key, "message")) return short_string(j, entry.message, 200, "message: at most 200 bytes are taken; shorten it");
	if (json_is(key, "phrases")) return entry.phrases = 1, json_skip(j);
	if (json_is(key, "patterns")) return entry.patterns = 1, json_skip(j);
	return wrong("unknown key: name, action, code, message, on, roles, weight, order, gap, phrases and patterns are known");
}

static int read_entry(json_t *j) {
	static const char nothing[sizeof entry];
	char key[24];
	__builtin_memcpy(&entry, nothing, sizeof entry);
	entry.action = entry.any = -1, entry.gap = 99, entry.weight = NOT_GIVEN;
	place.name[0] = 0;
	if (json_object(j))
		while (json_member(j, key, sizeof key))
			if (!read_setting(j, key)) return 0;
	if (j->error) return 0;
	return entry.name[0] || wrong("it has no name; give one, which is the name of its label, too");
}

static u32 copy(char *to, const char *from) {
	u32 n = length(from);
	for (u32 i = 0; i <= n; i++) to[i] = from[i];
	return n;
}

static void begin_list(struct list *l, const char *name, u32 on, u32 roles) {
	l->name_len = (u8)copy(l->name, name);
	l->code_len = (u8)(copy(l->code, "guard_") + copy(l->code + 6, name));
	l->message_len = (u8)copy(l->message, "it is on a list of what is not allowed");
	l->action = LABEL, l->on = (u8)on, l->roles = (u8)roles, l->weight = NOT_GIVEN, l->in_use = 0;
}

// take_entry makes or changes the list that the entry is about.
static int take_entry(void) {
	int found = list_find(entry.name);
	if (found >= BUILTIN_LISTS || (found >= 0 && lists[found].in_use)) return wrong("the name is used twice; put both into one entry");
	if (found < 0 && lists_len == MAX_LISTS) return wrong("more than 7 lists of your own; join some");
	if (found < 0 && !entry.phrases && !entry.patterns) return wrong("it has neither phrases nor patterns; add some, or name a built-in list");
	if (entry.patterns && entry.action == REDACT) return wrong("patterns can't be redacted; put them into a list of their own, or use builtin:redact");
	if (found == HIDDEN && entry.action == REDACT) return wrong("hidden can't be redacted; use label or reject");
	if (found == MARKUP && entry.action == REDACT) return wrong("patterns can't be redacted; use label or reject");
	if (found < 0) begin_list(&lists[lists_len], entry.name, ON_REQUEST | ON_ANSWER, EVERYBODY), found = (int)lists_len++;
	struct list *l = &lists[found];
	l->in_use = 1;
	if (entry.action >= 0) l->action = (u8)entry.action;
	if (entry.on) l->on = (u8)entry.on;
	if (entry.roles) l->roles = (u8)entry.roles;
	if (entry.weight != NOT_GIVEN) l->weight = (u8)entry.weight;
	if (entry.code[0]) l->code_len = (u8)copy(l->code, entry.code);
	if (entry.message[0]) l->message_len = (u8)copy(l->message, entry.message);
	return 1;
}

static int read_lists(json_t *j) {
	if (json_array(j))
		while (json_element(j)) {
			place.entry++;
			if (!read_entry(j) || !take_entry()) return 0;
		}
	return !j->error;
}

static u32 builtin_groups; // a bit for each built-in list that "builtin" names

static int read_builtin(json_t *j) {
	static const char fault[] = "injection, harm, or the name of one built-in list is expected: override leak jailbreak markup hidden weapons malware drugs selfharm";
	char word[LIST_NAME + 1];
	builtin_groups = 0;
	if (json_array(j))
		while (json_element(j)) {
			place.entry++;
			if (!short_string(j, word, LIST_NAME, fault)) return 0;
			u32 group = json_is(word, "injection") ? INJECTION : json_is(word, "harm") ? HARM : 0, any = 0;
			for (u32 l = 0; l < BUILTIN_LISTS; l++)
				if (group ? builtin_lists[l].group == group : json_is(word, builtin_lists[l].name)) builtin_groups |= 1u << l, any = 1;
			if (!any) return wrong(fault);
		}
	return !j->error;
}

// weight_of is a list's own weight, else the one given. What is redacted is dealt with, and weighs nothing unless it is said.
static u32 weight_of(u32 list, u32 otherwise) {
	if (lists[list].weight != NOT_GIVEN) return lists[list].weight;
	return lists[list].action == REDACT ? 0 : otherwise;
}

static int add_text(json_t *j, u32 list, int pattern) {
	u8 s[MAX_PHRASE];
	u32 n;
	if (!json_string(j, s, sizeof s, &n)) return 0;
	u32 weight = weight_of(list, 100), gap = entry.gap <= MAX_GAP ? entry.gap : 2;
	const char *fault = pattern ? pattern_add(list, weight, s, n) : phrase_add(list, weight, entry.any != 0, gap, s, n);
	return !fault || wrong(fault);
}

// read_texts adds the phrases and patterns of the entry at j, whose settings are read already.
static int read_texts(json_t *j, u32 list) {
	char key[24];
	if (json_object(j))
		while (json_member(j, key, sizeof key)) {
			int pattern = json_is(key, "patterns");
			if (!pattern && !json_is(key, "phrases")) {
				json_skip(j);
				continue;
			}
			place.inner = pattern ? "patterns" : "phrases", place.item = 0;
			if (json_array(j))
				while (json_element(j)) {
					place.item++;
					if (!add_text(j, list, pattern)) return 0;
				}
			if (j->error) return 0;
			place.inner = 0;
		}
	return !j->error;
}

static int read_list_texts(json_t *j) {
	if (json_array(j))
		while (json_element(j)) {
			json_t again = *j;
			place.entry++;
			if (!read_entry(&again) || !read_texts(j, (u32)list_find(entry.name))) return 0;
		}
	return !j->error;
}

static int read_exceptions(json_t *j) {
	u8 s[MAX_PHRASE];
	u32 n;
	if (json_array(j))
		while (json_element(j)) {
			place.entry++;
			if (!json_string(j, s, sizeof s, &n)) return 0;
			const char *fault = except_add(s, n);
			if (fault) return wrong(fault);
		}
	return !j->error;
}

// read_key reads one member; texts: the second time, when only phrases and exceptions are left.
static int read_key(json_t *j, const char *key, int texts) {
	if (json_is(key, "lists")) return texts ? read_list_texts(j) : read_lists(j);
	if (json_is(key, "except")) return texts ? read_exceptions(j) : json_skip(j);
	if (json_is(key, "builtin")) return texts ? json_skip(j) : read_builtin(j);
	if (json_is(key, "reject_at")) return json_count(j, &reject_at, 1, 100, "a whole number from 1 to 100 is expected");
	place.key = 0;
	return wrong("unknown key: builtin, lists, except and reject_at are known");
}

static int read_config(json_t *j, int texts) {
	static const char *const keys[] = {"lists", "except", "builtin", "reject_at"};
	char key[16];
	if (json_object(j))
		while (json_member(j, key, sizeof key)) {
			place.entry = 0, place.name[0] = 0, place.inner = 0, place.key = 0;
			for (u32 i = 0; i < 4; i++)
				if (json_is(key, keys[i])) place.key = keys[i];
			if (!read_key(j, key, texts) || problem) return 0;
			place.key = 0;
		}
	return json_end(j);
}

// add_rules adds the rules of the built-in lists in use. A list's own weight, where given, goes for all its rules.
static int add_rules(void) {
	for (u32 l = 0; l < BUILTIN_LISTS; l++) lists[l].in_use |= builtin_groups >> l & 1;
	hidden_weight = weight_of(HIDDEN, HIDDEN_WEIGHT);
	for (u32 i = 0; i < RULE_SETS; i++) phrase_set(i, (const u8 *)rule_sets[i], length(rule_sets[i]));
	phrase_sets = 1;
	for (u32 i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		const struct list *l = &lists[rules[i].list];
		if (!l->in_use) continue;
		u32 weight = weight_of(rules[i].list, rules[i].weight), how = rules[i].how;
		const u8 *s = (const u8 *)rules[i].text;
		const char *fault = how == PATTERN ? pattern_add(rules[i].list, weight, s, length(rules[i].text))
			: phrase_add(rules[i].list, weight, how >= ANY(0), how % ANY(0), s, length(rules[i].text));
		if (fault) return wrong(fault);
	}
	phrase_sets = 0;
	for (u32 i = 0; i < sizeof rule_exceptions / sizeof rule_exceptions[0]; i++) {
		const char *fault = except_add((const u8 *)rule_exceptions[i], length(rule_exceptions[i]));
		if (fault) return wrong(fault);
	}
	return 1;
}

static void reset(void) {
	vocab_reset(), phrase_reset(), pattern_reset();
	phrase_sets = 0;
	lists_len = BUILTIN_LISTS, reject_at = 0, hidden_weight = HIDDEN_WEIGHT, problem = 0;
	builtin_groups = (1u << BUILTIN_LISTS) - 1;
	for (u32 l = 0; l < BUILTIN_LISTS; l++) begin_list(&lists[l], builtin_lists[l].name, builtin_lists[l].on, builtin_lists[l].roles);
	place.key = place.inner = 0;
}

SLUICE_EXPORT(on_config) i32 on_config(const u8 *json, u32 len) {
	json_t first = {.text = json, .len = len}, second = first;
	reset();
	int ok = read_config(&first, 0) && !problem && add_rules() && read_config(&second, 1);
	if (ok && !problem) return 0;
	const char *why = problem ? problem : first.error ? first.error : second.error ? second.error : "it can't be read";
	return refuse(why);
}
