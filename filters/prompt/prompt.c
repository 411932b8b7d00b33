// prompt: adds a system message and sets parameters of a request. It reads no text.
//
// on_config copies what the configuration says into static memory; on_request hands it to the host, which knows how each
// surface spells a message and a parameter.
#include "json.h"

#define MAX_TEXT 32768 // bytes of the system message
#define MAX_SET 16     // parameters
#define MAX_NAME 64    // bytes of a parameter's name
#define MAX_JSON 8192  // bytes of all parameters' values

SLUICE_ARENA(SLUICE_WINDOW)

static u8 text[MAX_TEXT];
static u32 text_len;
static u32 where = SLUICE_FIRST;

static struct {
	char name[MAX_NAME];
	u32 name_len, at, len;
} params[MAX_SET];
static u32 params_len;
static char values[MAX_JSON];
static u32 values_len;

static u32 length(const char *s) {
	u32 n = 0;
	while (s[n]) n++;
	return n;
}

static int refuse(const char *why) {
	sluice_log(SLUICE_ERROR, why, length(why));
	return 1;
}

// read_param copies one member of "set": its name and its value as it stands.
static int read_param(json_t *j, const char *name) {
	if (json_is(name, "model") || json_is(name, "stream") || json_is(name, "stream_options") || json_is(name, "messages"))
		return json_fail(j, "set: model, stream, stream_options and messages can't be set");
	if (params_len == MAX_SET) return json_fail(j, "set: more than 16 parameters");
	json_peek(j);
	u32 from = j->at;
	if (!json_skip(j)) return 0;
	if (values_len + (j->at - from) > MAX_JSON) return json_fail(j, "set: more than 8192 bytes of values");
	u32 p = params_len++;
	params[p].name_len = length(name);
	for (u32 i = 0; i < params[p].name_len; i++) params[p].name[i] = name[i];
	params[p].at = values_len;
	params[p].len = j->at - from;
	for (u32 i = from; i < j->at; i++) values[values_len++] = (char)j->text[i];
	return 1;
}

static int read_position(json_t *j) {
	char word[8];
	u32 n;
	if (!json_string(j, (u8 *)word, sizeof word - 1, &n)) return 0;
	word[n] = 0;
	where = json_is(word, "last") ? SLUICE_LAST : SLUICE_FIRST;
	return json_is(word, "first") || json_is(word, "last") || json_fail(j, "position: first or last is expected");
}

static int read_member(json_t *j, const char *key) {
	char name[MAX_NAME];
	if (json_is(key, "system")) return json_string(j, text, MAX_TEXT, &text_len);
	if (json_is(key, "position")) return read_position(j);
	if (!json_is(key, "set")) return json_fail(j, "unknown key: system, position and set are known");
	if (json_object(j))
		while (json_member(j, name, sizeof name))
			if (!read_param(j, name)) return 0;
	return !j->error;
}

SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) { return SLUICE_ON_REQUEST; }

SLUICE_EXPORT(on_config) i32 on_config(const u8 *json, u32 len) {
	json_t j = {.text = json, .len = len};
	char key[16];
	if (json_object(&j))
		while (json_member(&j, key, sizeof key))
			if (!read_member(&j, key)) break;
	if (!json_end(&j)) return refuse(j.error);
	if (!text_len && !params_len) return refuse("nothing to do: give system or set");
	return 0;
}

// on_request asks for every edit; a refused one fails the request, as a prompt half changed is worse than none.
SLUICE_EXPORT(on_request) i32 on_request(const u8 *json, u32 len) {
	(void)json, (void)len;
	for (u32 i = 0; i < params_len; i++) {
		i32 code = sluice_set(params[i].name, params[i].name_len, values + params[i].at, params[i].len);
		if (code < 0) return refuse("the host refused a parameter");
	}
	if (!text_len) return 0;
	i32 code = sluice_message(where, SLUICE_ROLE_SYSTEM, (const char *)text, text_len);
	return code < 0 ? refuse("the host refused the message") : 0;
}
