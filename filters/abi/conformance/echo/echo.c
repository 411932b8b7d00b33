// The echo filter, in C: see README.md for what it does.
#include "sluice.h"
#include "json.h"

SLUICE_ARENA(SLUICE_WINDOW + SLUICE_CONTEXT)

#define OPEN (1ull << 32) // of the state: a quote is open; the low half counts the dollars

static u8 word[16] = "-", classes[256];
static u32 word_len = 1;
static int flag;

static i32 config(const u8 *text, u32 len) {
	json_t j = {.text = text, .len = len};
	char key[JSON_KEY + 1];
	for (json_object(&j); json_member(&j, key, sizeof key);) {
		if (json_is(key, "flag")) json_bool(&j, &flag);
		else if (json_is(key, "skip")) json_skip(&j);
		else if (!json_is(key, "words")) return sluice_refuse("an unknown key: want flag, skip or words");
		else for (json_array(&j); json_element(&j);) json_string(&j, word, sizeof word, &word_len);
	}
	return json_end(&j) ? 0 : sluice_refuse(j.error);
}

static u32 put(char *out, const char *text) {
	u32 n = 0;
	for (; text[n]; n++) out[n] = text[n];
	return n;
}

static u32 who(char *out, u32 flags) {
	static const char *const roles[] = {"other", "system", "user", "assistant", "tool", "definition"};
	u32 n = put(out, roles[SLUICE_ROLE(flags)]);
	if (SLUICE_ANSWER(flags)) n += put(out + n, ",answer");
	if (SLUICE_ARGUMENTS(flags)) n += put(out + n, ",arguments");
	return n;
}

static void number(u32 at, u32 n) {
	char out[12];
	u32 i = sizeof out;
	do out[--i] = (char)('0' + n % 10);
	while (n /= 10);
	sluice_replace(at, at + 1, out + i, sizeof out - i);
}

static void tenant(u32 at) {
	char out[128];
	i32 n = sluice_get(SLUICE_TEXT("principal.tenant"), out, sizeof out);
	if (n < 0) out[0] = '-', n = 1;
	sluice_replace(at, at + 1, out, (u32)n);
}

static void before(const u8 *text, u32 at) {
	u32 from = at;
	while (from > 0 && (text[--from] & 0xc0) == 0x80) {
	}
	if (from < at) sluice_replace(at, at + 1, (const char *)text + from, at - from);
}

SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) { return SLUICE_TEXT_REQUEST | SLUICE_TEXT_ANSWER | SLUICE_ON_REQUEST; }

SLUICE_EXPORT(on_config) i32 on_config(const u8 *text, u32 len) { return config(text, len); }

SLUICE_EXPORT(on_request) i32 on_request(const u8 *json, u32 len) {
	(void)json, (void)len;
	sluice_set(SLUICE_TEXT("seed"), SLUICE_TEXT("7"));
	sluice_message(SLUICE_FIRST, SLUICE_ROLE_SYSTEM, SLUICE_TEXT("first é"));
	sluice_message(SLUICE_LAST, SLUICE_ROLE_USER, SLUICE_TEXT("last"));
	return 0;
}

SLUICE_EXPORT(on_text) i64 on_text(const u8 *text, u32 len, u32 flags, u64 state) {
	char out[64];
	for (u32 i = SLUICE_LEFT(flags); i < len; i++) {
		u32 c = text[i];
		if (state & OPEN) {
			if (c == ']') sluice_redact_close(i + 1), state &= ~OPEN;
		} else if (c == '[') sluice_redact_open(i, SLUICE_TEXT("quote")), state |= OPEN;
		else if (c == '^') before(text, i);
		else if (c == '$') number(i, (u32)++state);
		else if (c == '@') sluice_replace(i, i + 1, out, who(out, flags));
		else if (c == '%') tenant(i);
		else if (c == '&') sluice_replace(i, i + 1, (const char *)word, word_len);
		else if (c == '!') sluice_reject(SLUICE_TEXT("bang"), SLUICE_TEXT("it holds a bang"));
		else if (c == '~') sluice_label(SLUICE_TEXT("tilde"), SLUICE_TEXT("true"));
		else if (c == '*' && flag) sluice_redact(i, i + 1, SLUICE_TEXT("flag"));
		else if (c == '*') sluice_redact(i, i + 1, SLUICE_TEXT("star"));
		else if (c == '-' && i + 1 == len && !SLUICE_END(flags)) {
			sluice_next_state(state);
			return i;
		} else if (c == '-' && i + 1 < len && text[i + 1] == '>') sluice_replace(i, i + 2, SLUICE_TEXT("→")), i++;
	}
	if (SLUICE_END(flags) && state & OPEN) sluice_redact_close(len);
	sluice_next_state(state);
	return len;
}

SLUICE_EXPORT(byte_classes) const u8 *byte_classes(void) {
	for (u32 c = 0; c < 256; c++) classes[c] = !(c == ' ' || c - 'a' < 26);
	return classes;
}
