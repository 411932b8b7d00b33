// The configuration, strict; README.md says what each key means. A fault names its place, and what to do.
#include "json.h"
#include "prompt.h"

struct prompt prompt;

static const char *problem;

// Where the reading is, for the fault.
static struct {
	u32 rule; // 0: on top
	const char *key;
	u32 entry;
} place;

u32 length(const char *s) {
	u32 n = 0;
	while (s[n]) n++;
	return n;
}

static int wrong(const char *what) {
	if (!problem) problem = what;
	return 0;
}

int keep(const u8 *s, u32 n, struct span *to) {
	if (prompt.pool_len + n > POOL) return 0;
	to->at = prompt.pool_len, to->len = n;
	for (u32 i = 0; i < n; i++) prompt.pool[prompt.pool_len++] = s[i];
	return 1;
}

static struct {
	char text[400];
	u32 n;
} line;

static void put(const char *s) {
	for (; *s && line.n < sizeof line.text; s++) line.text[line.n++] = *s;
}

static void put_place(const char *key, u32 entry) {
	put(key);
	if (entry > 9) put(" entry "), put((char[]){(char)('0' + entry / 10 % 10), (char)('0' + entry % 10), 0});
	else if (entry) put(" entry "), put((char[]){(char)('0' + entry), 0});
	put(": ");
}

static i32 refuse(const char *why) {
	line.n = 0;
	if (place.rule) put_place("rules", place.rule);
	if (place.key) put_place(place.key, place.entry);
	put(why);
	sluice_log(SLUICE_ERROR, line.text, line.n);
	return 1;
}

static int word(json_t *j, char *to, u32 cap, const char *fault) {
	u32 n;
	if (!json_string(j, (u8 *)to, cap - 1, &n)) return wrong(fault);
	to[n] = 0;
	return 1;
}

static int choice(json_t *j, const char *const *words, u32 n, const char *fault) {
	char got[16];
	if (!word(j, got, sizeof got, fault)) return -1;
	for (u32 i = 0; i < n; i++)
		if (json_is(got, words[i])) return (int)i;
	return wrong(fault) - 1;
}

static const char *const where_words[] = {"first", "last"};
static const char *const role_words[] = {"system", "user", "assistant"};

// add_message takes a message's text, whose place and role are set later.
static int add_message(json_t *j) {
	static u8 text[MAX_MESSAGE];
	u32 n;
	if (!json_string(j, text, sizeof text, &n)) return wrong("a text of at most 32768 bytes is expected");
	if (!n) return wrong("the text is empty; leave the message out, or say something");
	if (prompt.messages_len == MAX_MESSAGES) return wrong("more than 32 messages; join some");
	u32 m = prompt.messages_len++;
	prompt.messages[m].rule = (u8)(prompt.rules_len - 1), prompt.messages[m].where = SLUICE_FIRST, prompt.messages[m].role = SLUICE_ROLE_SYSTEM;
	prompt.messages[m].from = (u16)prompt.pieces_len;
	const char *fault = template_add(text, n);
	prompt.messages[m].to = (u16)prompt.pieces_len;
	return !fault || wrong(fault);
}

static int read_message(json_t *j) {
	char key[JSON_KEY];
	int where = SLUICE_FIRST, role = 0, has = 0;
	if (json_object(j))
		while (json_member(j, key, sizeof key)) {
			if (json_is(key, "where")) where = choice(j, where_words, 2, "where: first or last is expected");
			else if (json_is(key, "role")) role = choice(j, role_words, 3, "role: system, user or assistant is expected");
			else if (json_is(key, "text")) has = add_message(j);
			else return wrong("unknown key: where, role and text are known");
			if (problem) return 0;
		}
	if (j->error) return 0;
	if (!has) return wrong("it has no text; give one");
	prompt.messages[prompt.messages_len - 1].where = (u8)where;
	prompt.messages[prompt.messages_len - 1].role = (u8)(SLUICE_ROLE_SYSTEM + role);
	return 1;
}

static int read_messages(json_t *j) {
	if (json_array(j))
		while (json_element(j)) {
			place.entry++;
			if (!read_message(j)) return 0;
		}
	return !j->error;
}

static int same(const struct span *a, const u8 *s, u32 n) {
	u32 i = 0;
	while (i < n && a->len == n && prompt.pool[a->at + i] == s[i]) i++;
	return a->len == n && i == n;
}

// param finds or adds a parameter's name; MAX_PARAMS where there is no room.
static u32 param(const char *name) {
	u32 n = length(name), p = 0;
	while (p < prompt.params_len && !same(&prompt.params[p].name, (const u8 *)name, n)) p++;
	if (p < prompt.params_len || p == MAX_PARAMS) return p;
	return keep((const u8 *)name, n, &prompt.params[p].name) ? prompt.params_len++ : MAX_PARAMS;
}

static int reserved(const char *name) {
	static const char *const words[] = {"model", "stream", "stream_options", "messages", "prompt", "input"};
	for (u32 i = 0; i < sizeof words / sizeof words[0]; i++)
		if (json_is(name, words[i])) return 1;
	return 0;
}

static int read_value(json_t *j, const char *name, u32 kind) {
	if (!name[0]) return wrong("a parameter has an empty name");
	if (reserved(name)) return wrong("model, stream, stream_options, messages, prompt and input can't be set by a filter; remove it");
	u32 p = param(name);
	if (p == MAX_PARAMS || prompt.values_len == MAX_VALUES) return wrong("more than 32 parameters or 128 values in all; remove some");
	json_peek(j);
	u32 from = j->at, v = prompt.values_len;
	if (!json_skip(j)) return 0;
	if (kind == CAP && !number(j->text + from, j->at - from, &prompt.values[v].number)) return wrong("a cap is a number; write one");
	if (!keep(j->text + from, j->at - from, &prompt.values[v].json)) return wrong("all texts and values together are over 49152 bytes; shorten them");
	prompt.values[v].rule = (u8)(prompt.rules_len - 1), prompt.values[v].kind = (u8)kind, prompt.values[v].param = (u8)p;
	prompt.values_len++;
	return 1;
}

static int read_values(json_t *j, u32 kind) {
	char name[MAX_NAME + 1];
	if (json_object(j))
		while (json_member(j, name, sizeof name))
			if (!read_value(j, name, kind)) return 0;
	if (j->error && json_is(j->error, "a string is too long")) return wrong("a parameter's name has at most 64 bytes; shorten it");
	return !j->error;
}

static int read_condition(json_t *j, u32 fact) {
	char w[MAX_NAME + 1];
	if (!word(j, w, sizeof w, "words of at most 64 bytes are expected")) return 0;
	u32 n = length(w), k = prompt.words_len;
	if (!n) return wrong("a word is empty; remove it");
	if (k == MAX_WORDS) return wrong("more than 64 words in all conditions; use a * at the end of one for many");
	prompt.words[k].prefix = w[n - 1] == '*';
	for (u32 i = 0; i + 1 < n; i++)
		if (w[i] == '*') return wrong("a * stands only at the end of a word");
	if (!keep((const u8 *)w, n - prompt.words[k].prefix, &prompt.words[k].word)) return wrong("all texts and values together are over 49152 bytes; shorten them");
	prompt.words[k].rule = (u8)(prompt.rules_len - 1), prompt.words[k].fact = (u8)fact;
	prompt.words_len++;
	return 1;
}

static int read_when(json_t *j) {
	static const char *const keys[] = {"tenant", "", "operation", "model"};
	char key[JSON_KEY];
	u32 before = prompt.words_len;
	if (json_object(j))
		while (json_member(j, key, sizeof key)) {
			u32 f = 0;
			while (f <= MODEL && !(keys[f][0] && json_is(key, keys[f]))) f++;
			if (f > MODEL) return wrong("unknown key: model, operation and tenant are known");
			facts_used |= 1u << f;
			if (json_peek(j) == '"') {
				if (!read_condition(j, f)) return 0;
			} else if (json_array(j)) {
				while (json_element(j))
					if (!read_condition(j, f)) return 0;
			}
			if (j->error) return wrong("a word or a list of words is expected");
		}
	return !j->error && (prompt.words_len > before || wrong("it names nothing; give model, operation or tenant, each with a word or more"));
}

static int read_rules(json_t *j);

static int read_position(json_t *j, int *position) {
	*position = choice(j, where_words, 2, "first or last is expected");
	return *position >= 0;
}

// read_members reads the settings of a rule, or those on top.
static int read_members(json_t *j, int top) {
	static const char *const keys[] = {"system", "position", "messages", "set", "defaults", "caps", "when", "rules"};
	char key[JSON_KEY];
	int position = -1, when = 0, ok = 1;
	u32 system = MAX_MESSAGES, began = prompt.messages_len + prompt.values_len;
	if (json_object(j))
		while (ok && json_member(j, key, sizeof key)) {
			u32 k = 0;
			while (k < 8 && !json_is(key, keys[k])) k++;
			place.key = k < 8 ? keys[k] : 0, place.entry = 0;
			if (k == 0) system = prompt.messages_len, ok = add_message(j);
			else if (k == 1) ok = read_position(j, &position);
			else if (k == 2) ok = read_messages(j);
			else if (k < 6) ok = read_values(j, k - 3);
			else if (k == 6 && !top) when = 1, ok = read_when(j);
			else if (k == 7 && top) ok = read_rules(j);
			else place.key = 0, ok = wrong(top ? "unknown key: system, position, messages, set, defaults, caps and rules are known" : "unknown key: when, system, position, messages, set, defaults and caps are known");
		}
	if (!ok || j->error) return 0;
	place.key = 0;
	if (position >= 0 && system == MAX_MESSAGES) return place.key = "position", wrong("it says where system goes, but there is no system; give one, or say where in messages");
	if (position >= 0) prompt.messages[system].where = (u8)position;
	if (!top && !when) return wrong("it has no when; say when it applies, or put its settings on top");
	return prompt.messages_len + prompt.values_len > began || wrong("nothing to do: give system, messages, set, defaults, caps or rules");
}

static int read_rules(json_t *j) {
	if (json_array(j))
		while (json_element(j)) {
			place.rule++, place.key = 0;
			if (prompt.rules_len == MAX_RULES) return wrong("more than 16 rules; join some");
			prompt.rules_len++;
			if (!read_members(j, 0)) return 0;
		}
	place.rule = 0;
	return !j->error;
}

SLUICE_EXPORT(on_config) i32 on_config(const u8 *json, u32 len) {
	json_t j = {.text = json, .len = len};
	prompt.pool_len = prompt.pieces_len = prompt.messages_len = prompt.params_len = prompt.values_len = prompt.words_len = 0;
	prompt.rules_len = 1, facts_used = 0, problem = 0;
	place.rule = 0, place.key = 0;
	if (read_members(&j, 1) && json_end(&j)) return 0;
	return refuse(problem ? problem : j.error ? j.error : "it can't be read");
}
