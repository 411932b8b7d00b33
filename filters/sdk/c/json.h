// json.h: a strict reader for small JSON (a filter's configuration), with no memory of its own.
//
// A cursor walks the text. Each function consumes one thing and returns 1, or sets the cursor's error and returns 0; after
// an error everything returns 0, so that callers may check once at the end. Grammar: RFC 8259; depth is bounded.
//
//   json_t j = {text, len};
//   if (json_object(&j)) while (json_member(&j, key, sizeof key)) { ...read or skip the value... }
//   if (!json_end(&j)) fail(j.error);
#ifndef SLUICE_JSON_H
#define SLUICE_JSON_H

#include "sluice.h"

#define JSON_DEPTH 16
#define JSON_KEY 64 // bytes that a key usually has at most, without the NUL behind it

typedef struct {
	const u8 *text;
	u32 len, at;
	u32 depth;
	u8 first;          // just behind an opening bracket: no comma yet
	const char *error; // what was expected, or 0
} json_t;

static int json_fail(json_t *j, const char *error) {
	if (!j->error) j->error = error;
	return 0;
}

static u32 json_peek(json_t *j) {
	for (; j->at < j->len; j->at++) {
		u32 c = j->text[j->at];
		if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
	}
	return 0;
}

static int json_open(json_t *j, u8 bracket, const char *error) {
	if (j->error || json_peek(j) != bracket) return json_fail(j, error);
	if (++j->depth > JSON_DEPTH) return json_fail(j, "nested too deep");
	j->at++;
	j->first = 1;
	return 1;
}

static int json_object(json_t *j) { return json_open(j, '{', "an object is expected"); }
static int json_array(json_t *j) { return json_open(j, '[', "an array is expected"); }

// json_more is 1 before each further element and 0 behind the closing bracket, which it consumes.
static int json_more(json_t *j, u8 close) {
	if (j->error) return 0;
	u32 c = json_peek(j);
	if (c == close) {
		j->at++, j->depth--, j->first = 0;
		return 0;
	}
	if (j->first) {
		j->first = 0;
		return 1;
	}
	if (c != ',') return json_fail(j, "a comma or the closing bracket is expected");
	j->at++;
	if (json_peek(j) == close) return json_fail(j, "a comma stands before a closing bracket");
	return 1;
}

static int json_element(json_t *j) { return json_more(j, ']'); }

static int json_hex(json_t *j, u32 *code) {
	*code = 0;
	if (j->len - j->at < 4) return json_fail(j, "four hex digits are expected");
	for (u32 i = 0; i < 4; i++) {
		u32 c = j->text[j->at++], low = c | 32;
		if (c - '0' < 10) *code = *code << 4 | (c - '0');
		else if (low - 'a' < 6) *code = *code << 4 | (low - 'a' + 10);
		else return json_fail(j, "four hex digits are expected");
	}
	return 1;
}

static u32 json_utf8(u8 *out, u32 code) {
	if (code < 0x80) return out[0] = (u8)code, 1;
	u32 n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (u32 i = n - 1; i; i--, code >>= 6) out[i] = (u8)(0x80 | (code & 63));
	out[0] = (u8)(0xf00 >> n | code); // 110..., 1110... or 11110...
	return n;
}

// json_escape decodes one escape behind its backslash into out (up to 4 bytes) and gives its length, 0 on an error.
static u32 json_escape(json_t *j, u8 *out) {
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	u32 c = j->at < j->len ? j->text[j->at++] : 0, code, low;
	for (u32 i = 0; from[i]; i++)
		if (c == (u8)from[i]) return out[0] = (u8)to[i], 1;
	if (c != 'u' || !json_hex(j, &code)) return (u32)json_fail(j, "an escape is unknown");
	if (code - 0xdc00 < 0x400) return (u32)json_fail(j, "a surrogate is alone");
	if (code - 0xd800 < 0x400) {
		if (j->len - j->at < 2 || j->text[j->at] != '\\' || j->text[j->at + 1] != 'u') return (u32)json_fail(j, "a surrogate is alone");
		j->at += 2;
		if (!json_hex(j, &low)) return 0;
		if (low - 0xdc00 >= 0x400) return (u32)json_fail(j, "a surrogate is alone");
		code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
	}
	return json_utf8(out, code);
}

// json_string decodes a string into out (cap bytes) and sets n to its length. A string that does not fit is an error.
static int json_string(json_t *j, u8 *out, u32 cap, u32 *n) {
	if (j->error || json_peek(j) != '"') return json_fail(j, "a string is expected");
	j->at++;
	for (*n = 0;;) {
		if (j->at >= j->len) return json_fail(j, "a string is not closed");
		u8 unit[4];
		u32 width = 1, c = j->text[j->at++];
		if (c == '"') return 1;
		if (c < 0x20) return json_fail(j, "a control character stands in a string");
		unit[0] = (u8)c;
		if (c == '\\' && !(width = json_escape(j, unit))) return 0;
		if (*n + width > cap) return json_fail(j, "a string is too long");
		for (u32 i = 0; i < width; i++) out[(*n)++] = unit[i];
	}
}

// json_member steps to the next member of an object: its key goes to key (NUL-terminated); 0 behind the last. A NUL in the
// key itself becomes a byte that no UTF-8 has, so that it is no other key.
static int json_member(json_t *j, char *key, u32 cap) {
	u32 n;
	if (!json_more(j, '}') || !json_string(j, (u8 *)key, cap - 1, &n)) return 0;
	key[n] = 0;
	for (u32 i = 0; i < n; i++)
		if (!key[i]) key[i] = (char)0xff;
	if (json_peek(j) != ':') return json_fail(j, "a colon is expected");
	j->at++;
	return 1;
}

static int json_word(json_t *j, const char *word) {
	u32 i = 0;
	while (word[i] && j->at + i < j->len && j->text[j->at + i] == (u8)word[i]) i++;
	if (word[i]) return 0;
	j->at += i;
	return 1;
}

static int json_bool(json_t *j, int *value) {
	json_peek(j);
	if (!j->error && json_word(j, "true")) return *value = 1, 1;
	if (!j->error && json_word(j, "false")) return *value = 0, 1;
	return json_fail(j, "true or false is expected");
}

static u32 json_digits(json_t *j) {
	u32 from = j->at;
	while (j->at < j->len && j->text[j->at] - '0' < 10u) j->at++;
	return j->at - from;
}

static int json_number(json_t *j) {
	if (json_peek(j) == '-') j->at++;
	if (j->at < j->len && j->text[j->at] == '0') j->at++;
	else if (!json_digits(j)) return json_fail(j, "a value is expected");
	if (j->at < j->len && j->text[j->at] == '.' && (j->at++, !json_digits(j))) return json_fail(j, "a number is broken");
	if (j->at < j->len && (j->text[j->at] | 32) == 'e') {
		j->at++;
		if (j->at < j->len && (j->text[j->at] == '+' || j->text[j->at] == '-')) j->at++;
		if (!json_digits(j)) return json_fail(j, "a number is broken");
	}
	return 1;
}

static int json_skip_string(json_t *j) {
	u8 unit[4];
	j->at++;
	while (j->at < j->len) {
		u32 c = j->text[j->at++];
		if (c == '"') return 1;
		if (c < 0x20) return json_fail(j, "a control character stands in a string");
		if (c == '\\' && !json_escape(j, unit)) return 0;
	}
	return json_fail(j, "a string is not closed");
}

// json_skip passes over one value of any kind. It recurses no deeper than JSON_DEPTH.
static int json_skip(json_t *j) {
	if (j->error) return 0;
	u32 c = json_peek(j);
	if (c == '"') return json_skip_string(j);
	if (c == 't' || c == 'f') {
		int ignored;
		return json_bool(j, &ignored);
	}
	if (c == 'n') return json_word(j, "null") || json_fail(j, "a value is expected");
	if (c == '[') {
		for (json_array(j); json_element(j);)
			if (!json_skip(j)) return 0;
		return !j->error;
	}
	if (c != '{') return json_number(j);
	for (json_object(j); json_more(j, '}');) {
		if (json_peek(j) != '"') return json_fail(j, "a string is expected");
		if (!json_skip_string(j)) return 0;
		if (json_peek(j) != ':') return json_fail(j, "a colon is expected");
		j->at++;
		if (!json_skip(j)) return 0;
	}
	return !j->error;
}

// json_end is 1 where the text ended without an error and nothing but white space follows.
static int json_end(json_t *j) {
	if (!j->error && (json_peek(j), j->at < j->len)) json_fail(j, "text follows the value");
	return !j->error;
}

static int json_is(const char *key, const char *name) {
	u32 i = 0;
	while (key[i] && key[i] == name[i]) i++;
	return key[i] == name[i];
}

#endif
