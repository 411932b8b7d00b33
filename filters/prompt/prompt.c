// prompt: adds messages to a request, and sets, defaults and caps its parameters. It reads no text of it.
//
// on_config puts the configuration into static memory; on_request finds out which rules apply and hands the host what they ask
// for, once for each parameter. The host knows how each surface spells a message and a parameter.
#include "prompt.h"

#define SMALL 65536 // bytes of a request that fit without growing

static u8 arena[SMALL] __attribute__((aligned(8)));
extern u8 __heap_base; // the linker's

// alloc grows the memory for a large request. The host throws an instance away that grew, so that the rule stays small.
SLUICE_EXPORT(alloc) u8 *sluice_alloc(u32 n) {
	if (n <= sizeof arena) return arena;
#ifdef __wasm__
	u32 base = ((u32)&__heap_base + 7) & ~7u, have = (u32)__builtin_wasm_memory_size(0) << 16;
	if (n > ~0u - base - 65535) return 0;
	if (base + n <= have || __builtin_wasm_memory_grow(0, (base + n - have + 65535) >> 16) != (unsigned long)-1) return (u8 *)base;
#endif
	return 0;
}

static struct {
	char text[MAX_FACT];
	u32 len;
} facts[FACTS];

static i32 refuse(const char *why) {
	sluice_log(SLUICE_ERROR, why, length(why));
	return 1;
}

// read_facts asks for every fact that the configuration uses, whether a rule needs it now or not: one that is not granted fails
// when the filter is loaded, and not on some later request.
static int read_facts(void) {
	for (u32 f = 0; f < FACTS; f++) {
		if (!(facts_used >> f & 1)) continue;
		i32 n = sluice_get(fact_names[f], length(fact_names[f]), facts[f].text, MAX_FACT);
		if (n > MAX_FACT) return 0;
		facts[f].len = n < 0 ? 0 : (u32)n;
	}
	return 1;
}

static int holds(u32 k) {
	const char *have = facts[prompt.words[k].fact].text;
	u32 have_len = facts[prompt.words[k].fact].len, len = prompt.words[k].word.len;
	if (have_len < len || (have_len > len && !prompt.words[k].prefix)) return 0;
	for (u32 i = 0; i < len; i++)
		if (prompt.pool[prompt.words[k].word.at + i] != (u8)have[i]) return 0;
	return 1;
}

// applies tells whether a rule's conditions hold: of each fact that it names, one word.
static int applies(u32 rule) {
	u32 named = 0, held = 0;
	for (u32 k = 0; k < prompt.words_len; k++) {
		if (prompt.words[k].rule != rule) continue;
		named |= 1u << prompt.words[k].fact;
		if (holds(k)) held |= 1u << prompt.words[k].fact;
	}
	return named == held;
}

static struct {
	char text[MAX_MESSAGE];
	u32 len;
} out;

static int append(const char *s, u32 n) {
	if (out.len + n > MAX_MESSAGE) return 0;
	for (u32 i = 0; i < n; i++) out.text[out.len++] = s[i];
	return 1;
}

static int send_message(u32 m) {
	out.len = 0;
	for (u32 k = prompt.messages[m].from; k < prompt.messages[m].to; k++) {
		i32 f = prompt.pieces[k].fact;
		int fits = f < 0 ? append((const char *)prompt.pool + prompt.pieces[k].text.at, prompt.pieces[k].text.len) : append(facts[f].text, facts[f].len);
		if (!fits) return 0;
	}
	sluice_message(prompt.messages[m].where, prompt.messages[m].role, out.text, out.len);
	return 1;
}

static u32 rules; // a bit for each that applies

// settle decides a parameter: what "set" says, else what the request says, else the default; and no more than the cap. Of
// several rules the last counts, of several caps the lowest.
static void settle(u32 p, const u8 *json, const struct found *request) {
	const struct span *set = 0, *fallback = 0, *cap = 0;
	double most = 0, value;
	for (u32 v = 0; v < prompt.values_len; v++) {
		if (prompt.values[v].param != p || !(rules >> prompt.values[v].rule & 1)) continue;
		const struct span *json_of = &prompt.values[v].json;
		if (prompt.values[v].kind == SET) set = json_of;
		if (prompt.values[v].kind == DEFAULT) fallback = json_of;
		if (prompt.values[v].kind == CAP && (!cap || prompt.values[v].number < most)) cap = json_of, most = prompt.values[v].number;
	}
	const struct span *now = set ? set : request->len ? 0 : fallback;
	const u8 *text = now ? prompt.pool + now->at : json + request->at;
	if (cap && number(text, now ? now->len : request->len, &value) && value > most) now = cap;
	if (!now) return;
	sluice_set((const char *)prompt.pool + prompt.params[p].name.at, prompt.params[p].name.len, (const char *)prompt.pool + now->at, now->len);
}

SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) { return SLUICE_ON_REQUEST; }

// on_request asks for every edit; what the host refuses fails the request, as a prompt half changed is worse than none.
SLUICE_EXPORT(on_request) i32 on_request(const u8 *json, u32 len) {
	struct found request[MAX_PARAMS];
	if (!read_facts()) return refuse("a fact is longer than 4096 bytes");
	rules = 0;
	for (u32 r = 0; r < prompt.rules_len; r++) rules |= (u32)applies(r) << r;
	request_read(json, len, request);
	for (u32 p = 0; p < prompt.params_len; p++) settle(p, json, &request[p]);
	for (u32 m = 0; m < prompt.messages_len; m++)
		if (rules >> prompt.messages[m].rule & 1 && !send_message(m)) return refuse("a message is longer than 32768 bytes with its variables filled in");
	return 0;
}
