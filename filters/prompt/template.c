// Templates: text with variables such as {{model}}. {{{{ stands for {{.
#include "prompt.h"

const char *const fact_names[FACTS] = {"principal.tenant", "principal.roles", "operation", "model", "stream"};
u32 facts_used;

static int add_piece(const u8 *s, u32 n, i32 fact) {
	if (prompt.pieces_len == MAX_PIECES) return 0;
	if (!keep(s, n, &prompt.pieces[prompt.pieces_len].text)) return 0;
	prompt.pieces[prompt.pieces_len++].fact = fact;
	return 1;
}

static i32 variable(const u8 *s, u32 n) {
	while (n && s[0] == ' ') s++, n--;
	while (n && s[n - 1] == ' ') n--;
	for (i32 f = 0; f < FACTS; f++) {
		u32 i = 0;
		while (i < n && fact_names[f][i] && s[i] == (u8)fact_names[f][i]) i++;
		if (i == n && !fact_names[f][i]) return f;
	}
	return -1;
}

static int opens(const u8 *s, u32 n, u32 i) { return i + 1 < n && s[i] == '{' && s[i + 1] == '{'; }

const char *template_add(const u8 *s, u32 n) {
	static const char full[] = "all texts and values together are over 49152 bytes or 256 pieces; shorten them";
	u32 from = 0;
	for (u32 i = 0; i < n;) {
		if (!opens(s, n, i)) {
			i++;
			continue;
		}
		if (opens(s, n, i + 2)) { // the first two stand for themselves
			if (!add_piece(s + from, i + 2 - from, -1)) return full;
			i = from = i + 4;
			continue;
		}
		u32 end = i + 2;
		while (end + 1 < n && !(s[end] == '}' && s[end + 1] == '}')) end++;
		if (end + 1 >= n) return "{{ is not closed by }}; write {{{{ for {{ as text";
		i32 fact = variable(s + i + 2, end - i - 2);
		if (fact < 0) return "an unknown variable: principal.tenant, principal.roles, operation, model and stream are known; write {{{{ for {{ as text";
		if ((i > from && !add_piece(s + from, i - from, -1)) || !add_piece(s, 0, fact)) return full;
		facts_used |= 1u << fact;
		i = from = end + 2;
	}
	return from == n || add_piece(s + from, n - from, -1) ? 0 : full;
}
