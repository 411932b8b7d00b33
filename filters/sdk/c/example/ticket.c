// A filter to start from: it finds ticket numbers such as TCK-12345 and reports them as kind `ticket`.
//
// Configuration: {"prefix": "TCK"}, 1 to 8 capital letters. The contract is filters/abi.
#include "sluice.h"
#include "json.h"

#define MAX_PREFIX 8
#define MAX_DIGITS 12
#define LONGEST (MAX_PREFIX + 1 + MAX_DIGITS)

SLUICE_ARENA(SLUICE_WINDOW + SLUICE_CONTEXT)

static u8 prefix[MAX_PREFIX] = "TCK", classes[256];
static u32 prefix_len = 3;

static int upper(u32 c) { return c - 'A' < 26; }
static int digit(u32 c) { return c - '0' < 10; }

// part tells whether a byte may stand in a ticket, or go on a word.
static int part(u32 c) { return c == '-' || c == '_' || digit(c) || upper(c & ~32u); }

static int is_ticket(const u8 *word, u32 len) {
	if (len < prefix_len + 2 || len > prefix_len + 1 + MAX_DIGITS || word[prefix_len] != '-') return 0;
	for (u32 i = 0; i < prefix_len; i++)
		if (word[i] != prefix[i]) return 0;
	for (u32 i = prefix_len + 1; i < len; i++)
		if (!digit(word[i])) return 0;
	return 1;
}

SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) { return SLUICE_TEXT_REQUEST | SLUICE_TEXT_ANSWER; }

SLUICE_EXPORT(on_config) i32 on_config(const u8 *text, u32 len) {
	json_t j = {.text = text, .len = len};
	char key[JSON_KEY + 1];
	for (json_object(&j); json_member(&j, key, sizeof key);) {
		if (!json_is(key, "prefix")) return sluice_refuse("an unknown key: want prefix");
		json_string(&j, prefix, sizeof prefix, &prefix_len);
	}
	if (!json_end(&j)) return sluice_refuse(j.error);
	int good = prefix_len > 0;
	for (u32 i = 0; i < prefix_len; i++) good &= upper(prefix[i]);
	return good ? 0 : sluice_refuse("prefix: 1 to 8 capital letters are expected");
}

// on_text reports every ticket. A word that reaches the end of the window may go on in the next one: it is held back,
// unless it is longer than any ticket. What is held back, or was let go, comes again in the next window.
SLUICE_EXPORT(on_text) i64 on_text(const u8 *text, u32 len, u32 flags, u64 state) {
	(void)state;
	u32 at = SLUICE_LEFT(flags);
	while (at < len) {
		u32 end = at;
		while (end < len && part(text[end])) end++;
		if (end == len && !SLUICE_END(flags) && end - at <= LONGEST) break;
		if (is_ticket(text + at, end - at) && (at == 0 || !part(text[at - 1]))) sluice_redact(at, end, SLUICE_TEXT("ticket"));
		while (end < len && !part(text[end])) end++;
		at = end;
	}
	return at;
}

// A byte that stands in no ticket ends none and begins none: the host may let it pass without a call.
SLUICE_EXPORT(byte_classes) const u8 *byte_classes(void) {
	for (u32 c = 0; c < 256; c++) {
		classes[c] = c == '-' || digit(c);
		for (u32 i = 0; i < prefix_len; i++) classes[c] |= c == prefix[i];
	}
	return classes;
}
