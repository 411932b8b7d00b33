// IP addresses: IPv4 in the strict four-part form (RFC 6943 section 3.1.1: no octal, no leading zeros), IPv6 in every text
// form of RFC 4291 section 2.2. Not reported, as they name nobody: 0.0.0.0/8, 127.0.0.0/8, netmasks and broadcast (255.x),
// :: and ::1. Four numbers behind a word such as "version" are a version.
#include "redact.h"

// octets is where a dotted quad that starts at i ends, 0 if there is none. first gets its first octet.
static u32 octets(u32 i, u32 *first) {
	for (u32 part = 0; part < 4; part++) {
		u32 v = 0, from = i;
		while (i - from < 3 && digit_at(i)) v = v * 10 + at(i++) - '0';
		if (i == from || v > 255 || (at(from) == '0' && i - from > 1)) return 0;
		if (part == 0) *first = v;
		if (part < 3 && at(i++) != '.') return 0;
	}
	return i;
}

static int ends(u32 i) {
	u32 c = at(i);
	if (word_byte(c) || (c == '.' && digit_at(i + 1))) return 0;
	return !((c == '-' || c == '+') && (class_at(i + 1) & C_ALPHA)); // 1.2.3.4-beta
}

void find_ip4(u32 t) {
	u32 before = behind(t, 1), first = 0;
	if ((before == '.' || before == '-') && word_byte(behind(t, 2)) && !(before == '-' && (classes[behind(t, 2)] & C_DIGIT))) return;
	u32 end = octets(t, &first);
	if (!end || !ends(end) || first == 0 || first == 127 || first == 255) return;
	if (!word_before(t, "version versions ver v build release section chapter", 1)) offer(IP, end, 0);
}

static u32 hex_digits(u32 i) {
	u32 n = 0;
	while (n < 5 && (digit_at(i + n) || lower(at(i + n)) - 'a' < 6)) n++;
	return n;
}

// find_ip6 counts groups of 16 bits; `gap` once :: was seen. A dotted quad may stand for the last two.
void find_ip6(u32 t) {
	u32 before = behind(t, 1), i = t, groups = 0, gap = 0, digit = 0, found = 0, ignored;
	if (before == ':' || before == '.' || (at(t) == ':' && at(t + 1) != ':')) return;
	if (at(t) == ':') gap = 1, i = t + 2;
	while (groups < 8) {
		u32 n = hex_digits(i), quad = n && groups <= 6 && n < 4 && at(i + n) == '.' && (groups || gap) ? octets(i, &ignored) : 0;
		if (quad) {
			groups += 2, digit = 1, i = quad, found = i;
			break;
		}
		if (n == 0 || n == 5) break;
		for (u32 k = 0; k < n; k++) digit |= digit_at(i + k) != 0;
		groups++, i += n, found = i;
		if (at(i) != ':' || groups == 8) break;
		if (at(i + 1) != ':') {
			if (!hex_digits(i + 1)) break; // a colon of the sentence
			i++;
			continue;
		}
		if (gap) break;
		gap = 1, i += 2, found = i;
	}
	if (!found || found != i || word_byte(at(i)) || (at(i) == ':' && (at(i + 1) == ':' || hex_digits(i + 1)))) return;
	if (gap ? groups > 7 || groups < 2 : groups != 8) return; // fe80:: alone is a prefix, a::b may be code
	if (digit) offer(IP, i, 0);
}
