// JSON web tokens: RFC 7515 and 7516 in compact form. The first part must decode to a JSON object with a string "alg". One longer
// than `hold`, be it in its first part, is an open span.
#include "redact.h"
#include "json.h"

static u32 base64url(u32 c) {
	if (c - 'A' < 26) return c - 'A';
	if (c - 'a' < 26) return c - 'a' + 26;
	if (c - '0' < 10) return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : 64;
}

// decode reads base64url from i to end into out and gives the length, 0 where that can't be.
static u32 decode(u32 i, u32 end, u8 *out) {
	u32 bits = 0, have = 0, n = 0;
	for (; i < end; i++) {
		bits = bits << 6 | base64url(at(i));
		have += 6;
		if (have >= 8) have -= 8, out[n++] = (u8)(bits >> have);
	}
	return have == 6 ? 0 : n;
}

static int names_algorithm(const u8 *header, u32 len) {
	json_t j = {.text = header, .len = len};
	char key[64];
	u8 value[64];
	u32 n, found = 0;
	if (json_object(&j))
		while (json_member(&j, key, sizeof key)) {
			if (!json_is(key, "alg") || json_peek(&j) != '"') json_skip(&j);
			else found = (u32)json_string(&j, value, sizeof value, &n);
		}
	return json_end(&j) && found;
}

void find_jwt(u32 t) {
	static u8 header[MOST_HOLD];
	if (at(t) != 'e' || at(t + 1) != 'y' || at(t + 2) != 'J') return;
	u32 dot = t;
	while (base64url(at(dot)) < 64) dot++;
	if (at(dot) != '.') return;
	u32 n = decode(t, dot, header);
	if (!n || !names_algorithm(header, n)) return;
	u32 end = run_end(OPEN_BASE64URL, dot);
	if (end - dot >= 3) offer(JWT, end, 0); // there is a second part
}
