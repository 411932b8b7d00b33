// Reading a request: its members on top, of any depth below and any length. The host hands over valid JSON; whatever else came
// would be read to its end, and no further.
#include "prompt.h"

static const u8 *s;
static u32 n;

static u32 space(u32 i) {
	while (i < n && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t')) i++;
	return i;
}

// string_end is behind the closing quote of the string at i.
static u32 string_end(u32 i) {
	for (i++; i < n && s[i] != '"'; i++)
		if (s[i] == '\\') i++;
	return i < n ? i + 1 : n;
}

static u32 value_end(u32 i) {
	u32 depth = 0;
	while (i < n) {
		u32 c = s[i];
		if (c == '"') {
			i = string_end(i);
			if (!depth) return i;
			continue;
		}
		if (c == '{' || c == '[') depth++;
		if (!depth && (c == ',' || c == '}' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) return i;
		i++;
		if ((c == '}' || c == ']') && (!depth || !--depth)) return i;
	}
	return n;
}

static u32 hex(u32 c) { return c - '0' < 10 ? c - '0' : (c | 32) - 'a' < 6 ? (c | 32) - 'a' + 10 : 0; }

// key reads the string between from and to into name; the result is its length, 0 where it is no name of the configuration.
static u32 key(u32 from, u32 to, u8 *name) {
	u32 k = 0;
	for (u32 i = from + 1; i + 1 < to; i++) {
		u32 c = s[i];
		if (k == MAX_NAME) return 0;
		if (c == '\\') {
			c = s[++i];
			if (c == 'u' && i + 5 < to) {
				c = hex(s[i + 1]) << 12 | hex(s[i + 2]) << 8 | hex(s[i + 3]) << 4 | hex(s[i + 4]);
				i += 4;
			} else if (c != '"' && c != '\\' && c != '/') {
				return 0;
			}
			if (c >= 0x80) return 0;
		}
		name[k++] = (u8)c;
	}
	return k;
}

static u32 find_param(const u8 *name, u32 len) {
	u32 p = 0;
	for (; p < prompt.params_len; p++) {
		const struct span *known = &prompt.params[p].name;
		u32 i = 0;
		while (i < len && len == known->len && prompt.pool[known->at + i] == name[i]) i++;
		if (i == len && len == known->len) break;
	}
	return p;
}

void request_read(const u8 *json, u32 len, struct found *found) {
	s = json, n = len;
	for (u32 p = 0; p < prompt.params_len; p++) found[p].len = 0;
	u32 i = space(0);
	if (i >= n || s[i] != '{') return;
	for (i = space(i + 1); i < n && s[i] == '"';) {
		u8 name[MAX_NAME];
		u32 end = string_end(i), k = key(i, end, name);
		i = space(end);
		if (i >= n || s[i] != ':') return;
		i = space(i + 1), end = value_end(i);
		u32 p = k ? find_param(name, k) : prompt.params_len;
		if (p < prompt.params_len && i < n && s[i] != 'n') found[p].at = i, found[p].len = end - i;
		i = space(end);
		if (i < n && s[i] == ',') i = space(i + 1);
	}
}
