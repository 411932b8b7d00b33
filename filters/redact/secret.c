// Secrets known by their prefix, as their issuers document them: the prefix, then so many characters of an alphabet. A value
// needs a digit where the prefix could begin a word too. One longer than HOLD is an open span.
#include "redact.h"

enum { ALNUM, HEX, UPPER, WORD, DASHED, DOTTED }; // WORD: letters, digits, _; DASHED: and -; DOTTED: and full stops between

static const struct {
	char prefix[13];
	u8 alphabet;
	u8 least; // characters behind the prefix
	u8 exact; // no more than that
	u8 digit; // a digit stands among them
} shapes[] = {
	{"AKIA", UPPER, 16, 1, 0}, {"ASIA", UPPER, 16, 1, 0}, {"ABIA", UPPER, 16, 1, 0}, {"ACCA", UPPER, 16, 1, 0}, // AWS
	{"AIza", DASHED, 35, 1, 0}, {"GOCSPX-", DASHED, 28, 0, 0}, {"ya29.", DASHED, 30, 0, 0},                      // Google
	{"ATATT3", DASHED, 60, 0, 0},                                                                                // Atlassian
	{"SG.", DOTTED, 50, 0, 0},                                                                                   // SendGrid
	{"SK", HEX, 32, 1, 0},                                                                                       // Twilio
	{"dapi", HEX, 32, 0, 1},                                                                                     // Databricks
	{"dckr_pat_", DASHED, 24, 0, 0},                                                                             // Docker
	{"dop_v1_", HEX, 64, 1, 0}, {"doo_v1_", HEX, 64, 1, 0}, {"dor_v1_", HEX, 64, 1, 0},                          // DigitalOcean
	{"ghp_", ALNUM, 36, 0, 0}, {"gho_", ALNUM, 36, 0, 0}, {"ghu_", ALNUM, 36, 0, 0}, {"ghs_", ALNUM, 36, 0, 0},  // GitHub
	{"ghr_", ALNUM, 36, 0, 0}, {"github_pat_", WORD, 40, 0, 0},
	{"glpat-", DASHED, 20, 0, 0}, {"gldt-", DASHED, 20, 0, 0}, {"glrt-", DASHED, 20, 0, 0}, {"glptt-", HEX, 40, 0, 0}, // GitLab
	{"gsk_", ALNUM, 40, 0, 0},                                                                                   // Groq
	{"hf_", ALNUM, 30, 0, 0},                                                                                    // Hugging Face
	{"hvs.", DASHED, 24, 0, 0}, {"hvb.", DASHED, 24, 0, 0},                                                      // HashiCorp Vault
	{"lin_api_", ALNUM, 32, 0, 0},                                                                               // Linear
	{"npm_", ALNUM, 36, 0, 0},                                                                                   // npm
	{"nvapi-", DASHED, 40, 0, 0},                                                                                // NVIDIA
	{"pplx-", ALNUM, 40, 0, 0},                                                                                  // Perplexity
	{"pypi-", DASHED, 50, 0, 0},                                                                                 // PyPI
	{"r8_", ALNUM, 37, 0, 0},                                                                                    // Replicate
	{"rk_live_", ALNUM, 16, 0, 0}, {"rk_test_", ALNUM, 16, 0, 0}, {"sk_live_", ALNUM, 16, 0, 0},                 // Stripe
	{"sk_test_", ALNUM, 16, 0, 0}, {"whsec_", ALNUM, 24, 0, 0},
	{"shpat_", HEX, 32, 0, 0}, {"shpss_", HEX, 32, 0, 0}, {"shpca_", HEX, 32, 0, 0},                             // Shopify
	{"sk-ant-", DASHED, 24, 0, 1},                                                                               // Anthropic
	{"sk-proj-", DASHED, 24, 0, 1}, {"sk-svcacct-", DASHED, 24, 0, 1}, {"sk-admin-", DASHED, 24, 0, 1},          // OpenAI
	{"sk-or-", DASHED, 32, 0, 1}, {"sk-", ALNUM, 20, 0, 1}, // OpenRouter; DeepSeek, older OpenAI and others
	{"tskey-", DASHED, 24, 0, 1},                                                                                // Tailscale
	{"xai-", ALNUM, 40, 0, 0},                                                                                   // xAI
	{"xapp-", DASHED, 20, 0, 1}, {"xoxa-", DASHED, 10, 0, 1}, {"xoxb-", DASHED, 10, 0, 1}, {"xoxe-", DASHED, 10, 0, 1}, // Slack
	{"xoxp-", DASHED, 10, 0, 1}, {"xoxr-", DASHED, 10, 0, 1}, {"xoxs-", DASHED, 10, 0, 1},
};

static int allowed(u32 alphabet, u32 c) {
	u32 class = classes[c];
	switch (alphabet) {
	case ALNUM: return (class & C_ALNUM) != 0;
	case HEX: return (class & C_DIGIT) || (c | 32) - 'a' < 6;
	case UPPER: return (class & C_DIGIT) || c - 'A' < 26;
	case WORD: return word_byte(c);
	case DASHED: return (class & (C_ALNUM | C_UNDER)) != 0;
	default: return (class & (C_ALNUM | C_UNDER)) || c == '.';
	}
}

static int has_digit(u32 i, u32 end) {
	while (i < end && !digit_at(i)) i++;
	return i < end;
}

static void try_shape(u32 s, u32 t) {
	u32 i = t, end;
	for (const char *p = shapes[s].prefix; *p; p++, i++)
		if (at(i) != (u8)*p) return;
	u32 from = i;
	for (u32 n = 0; n < shapes[s].least; n++, i++)
		if (!allowed(shapes[s].alphabet, at(i))) return;
	if (shapes[s].exact) {
		if (!word_byte(at(i))) offer(SECRET, i, 0);
		return;
	}
	end = run_end(OPEN_BASE64URL, i, t + HOLD); // whatever follows without a break belongs to it
	if (!shapes[s].digit || has_digit(from, end)) offer(SECRET, end, end == t + HOLD ? OPEN_BASE64URL : 0);
}

void find_secret(u32 t) {
	u32 c = text.b[t];
	for (u32 s = 0; s < sizeof shapes / sizeof *shapes; s++)
		if ((u8)shapes[s].prefix[0] == c) try_shape(s, t);
}
