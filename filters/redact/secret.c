// Secrets known by their prefix, as their issuers document them: the prefix, then so many characters of an alphabet. A value
// needs a digit where the prefix could begin a word too. One longer than HOLD is an open span.
#include "redact.h"

// WORD: letters, digits, _; DASHED: and -; DOTTED: and full stops between; PATH: and /
enum { ALNUM, HEX, UPPER, WORD, DASHED, DOTTED, PATH };
enum { DIGIT = 1, MIXED }; // what must stand among the characters: a digit; a digit, a capital and a small letter

// SECRETS.md is the table to read. Each issuer's own.
static const struct {
	const char *prefix;
	u8 alphabet;
	u8 least; // characters behind the prefix
	u8 exact; // no more than that
	u8 needs; // DIGIT or MIXED
} shapes[] = {
	{"ops_ey", DASHED, 100, 0, 0}, // 1Password
	{"aio_", ALNUM, 28, 1, 2}, // Adafruit
	{"AGE-SECRET-KEY-1", UPPER, 58, 1, 0}, // age
	{"pat", DOTTED, 79, 0, 2}, // Airtable
	{"LTAI", ALNUM, 16, 0, 1}, // Alibaba Cloud
	{"sk-ant-", DASHED, 24, 0, 1}, // Anthropic
	{"ATATT3", DASHED, 60, 0, 0}, {"ATCTT3", DASHED, 60, 0, 0}, {"ATBB", ALNUM, 28, 0, 1}, // Atlassian
	{"AKIA", UPPER, 16, 1, 0}, {"ASIA", UPPER, 16, 1, 0}, {"ABIA", UPPER, 16, 1, 0}, {"ACCA", UPPER, 16, 1, 0}, // AWS
	{"ABSKQmVkcm9ja", ALNUM, 60, 0, 0},
	{"xkeysib-", DASHED, 70, 0, 1}, // Brevo
	{"bkua_", ALNUM, 40, 0, 0}, // Buildkite
	{"csk-", ALNUM, 40, 0, 1}, // Cerebras
	{"CCIPAT_", WORD, 40, 0, 1}, // CircleCI
	{"CLOJARS_", HEX, 60, 1, 0}, // Clojars
	{"v1.0-", DASHED, 150, 0, 1}, // Cloudflare
	{"CFPAT-", DASHED, 43, 0, 0}, // Contentful
	{"cio", ALNUM, 32, 1, 2}, // crates.io
	{"dapi", HEX, 32, 0, 1}, // Databricks
	{"dop_v1_", HEX, 64, 1, 0}, {"doo_v1_", HEX, 64, 1, 0}, {"dor_v1_", HEX, 64, 1, 0}, // DigitalOcean
	{"https://discord.com/api/webhooks/", PATH, 80, 0, 1}, // Discord
	{"dckr_pat_", DASHED, 24, 0, 0}, {"dckr_oat_", DASHED, 24, 0, 0}, // Docker
	{"dp.pt.", ALNUM, 40, 0, 0}, {"dp.st.", DOTTED, 40, 0, 1}, {"dp.ct.", ALNUM, 40, 0, 0}, {"dp.sa.", ALNUM, 40, 0, 0}, // Doppler
	{"dp.scim.", ALNUM, 40, 0, 0}, {"dp.audit.", ALNUM, 40, 0, 0},
	{"duffel_live_", DASHED, 43, 0, 0}, {"duffel_test_", DASHED, 43, 0, 0}, // Duffel
	{"dt0c01.", DOTTED, 89, 0, 0}, // Dynatrace
	{"EZAK", ALNUM, 54, 1, 0}, {"EZTK", ALNUM, 54, 1, 0}, // EasyPost
	{"sk_", HEX, 48, 1, 1}, // ElevenLabs
	{"figd_", DASHED, 40, 0, 0}, {"figo_", DASHED, 40, 0, 0}, // Figma
	{"fc-", HEX, 32, 1, 1}, // Firecrawl
	{"fw_", ALNUM, 22, 0, 2}, // Fireworks AI
	{"FLWSECK-", DASHED, 32, 0, 1}, {"FLWSECK_TEST-", DASHED, 32, 0, 1}, // Flutterwave
	{"fo1_", DASHED, 43, 0, 0}, // Fly.io
	{"ghp_", ALNUM, 36, 0, 0}, {"gho_", ALNUM, 36, 0, 0}, {"ghu_", ALNUM, 36, 0, 0}, {"ghs_", ALNUM, 36, 0, 0}, // GitHub
	{"ghr_", ALNUM, 36, 0, 0}, {"github_pat_", WORD, 40, 0, 0},
	{"glpat-", DASHED, 20, 0, 0}, {"gldt-", DASHED, 20, 0, 0}, {"glrt-", DASHED, 20, 0, 0}, {"glft-", DASHED, 20, 0, 0}, // GitLab
	{"glsoat-", DASHED, 20, 0, 0}, {"glimt-", DASHED, 24, 0, 0}, {"glagent-", DASHED, 49, 0, 0}, {"gloas-", HEX, 64, 0, 0},
	{"glcbt-", DASHED, 20, 0, 0}, {"glffct-", DASHED, 20, 0, 0}, {"glptt-", HEX, 40, 0, 0}, {"GR1348941", DASHED, 20, 0, 0},
	{"AIza", DASHED, 35, 1, 0}, {"GOCSPX-", DASHED, 28, 0, 0}, {"ya29.", DASHED, 30, 0, 0}, // Google
	{"glsa_", WORD, 41, 0, 1}, {"glc_", ALNUM, 32, 0, 1}, // Grafana
	{"gsk_", ALNUM, 40, 0, 0}, // Groq
	{"hvs.", DASHED, 24, 0, 0}, {"hvb.", DASHED, 24, 0, 0}, {"hvr.", DASHED, 24, 0, 0}, // HashiCorp Vault
	{"HRKU-", DASHED, 36, 0, 1}, // Heroku
	{"hcaik_", ALNUM, 58, 1, 0}, // Honeycomb
	{"pat-na1-", DASHED, 36, 1, 1}, {"pat-eu1-", DASHED, 36, 1, 1}, // HubSpot
	{"hf_", ALNUM, 30, 0, 0}, {"api_org_", ALNUM, 34, 0, 0}, // Hugging Face
	{"ico-", ALNUM, 32, 1, 2}, // Infracost
	{"AKCp", ALNUM, 60, 0, 0}, {"cmVmdGtu", ALNUM, 56, 0, 0}, // JFrog
	{"jina_", WORD, 40, 0, 2}, // Jina
	{"sk-lf-", DASHED, 36, 0, 1}, // Langfuse
	{"lsv2_pt_", WORD, 43, 0, 1}, {"lsv2_sk_", WORD, 43, 0, 1}, // LangSmith
	{"api-", DASHED, 36, 1, 1}, {"sdk-", DASHED, 36, 1, 1}, // LaunchDarkly
	{"lip_", ALNUM, 20, 1, 2}, // Lichess
	{"lin_api_", ALNUM, 32, 0, 0}, {"lin_oauth_", HEX, 64, 1, 0}, // Linear
	{"key-", HEX, 32, 1, 1}, // Mailgun
	{"sk.ey", DOTTED, 60, 0, 1}, // Mapbox
	{"live_", ALNUM, 30, 1, 2}, {"test_", ALNUM, 30, 1, 2}, // Mollie
	{"napi_", ALNUM, 60, 0, 1}, // Neon
	{"nfp_", ALNUM, 36, 0, 0}, // Netlify
	{"NRAK-", UPPER, 27, 1, 0}, {"NRJS-", HEX, 19, 1, 0}, // New Relic
	{"ntn_", ALNUM, 43, 0, 1}, {"secret_", ALNUM, 43, 1, 2}, // Notion
	{"npm_", ALNUM, 36, 0, 0}, // npm
	{"oy2", ALNUM, 43, 1, 1}, // NuGet
	{"nvapi-", DASHED, 40, 0, 0}, // NVIDIA
	{"sk-proj-", DASHED, 24, 0, 1}, {"sk-svcacct-", DASHED, 24, 0, 1}, {"sk-admin-", DASHED, 24, 0, 1}, // OpenAI
	{"sk-", ALNUM, 20, 0, 1},
	{"sk-or-", DASHED, 32, 0, 1}, // OpenRouter
	{"pplx-", ALNUM, 40, 0, 0}, // Perplexity
	{"pcsk_", WORD, 60, 0, 1}, // Pinecone
	{"access-production-", DASHED, 36, 1, 1}, {"access-sandbox-", DASHED, 36, 1, 1}, // Plaid
	{"pscale_tkn_", DASHED, 32, 0, 0}, {"pscale_oauth_", DASHED, 32, 0, 0}, {"pscale_pw_", DASHED, 32, 0, 0}, // PlanetScale
	{"phx_", ALNUM, 40, 0, 1}, // PostHog
	{"PMAK-", DASHED, 59, 1, 1}, // Postman
	{"pnu_", ALNUM, 36, 1, 0}, {"pnb_", ALNUM, 36, 1, 0}, // Prefect
	{"pul-", HEX, 40, 1, 1}, // Pulumi
	{"pypi-", DASHED, 50, 0, 0}, // PyPI
	{"rzp_live_", ALNUM, 14, 1, 1}, {"rzp_test_", ALNUM, 14, 1, 1}, // Razorpay
	{"rdme_", ALNUM, 70, 1, 0}, // ReadMe
	{"rnd_", ALNUM, 28, 0, 2}, // Render
	{"r8_", ALNUM, 37, 0, 0}, // Replicate
	{"re_", WORD, 33, 0, 2}, // Resend
	{"rubygems_", HEX, 48, 1, 0}, // RubyGems
	{"SCW", UPPER, 17, 1, 1}, // Scaleway
	{"SG.", DOTTED, 50, 0, 0}, // SendGrid
	{"sntrys_", WORD, 60, 0, 1}, {"sntryu_", HEX, 64, 1, 0}, // Sentry
	{"shippo_live_", HEX, 40, 1, 0}, {"shippo_test_", HEX, 40, 1, 0}, // Shippo
	{"shpat_", HEX, 32, 0, 0}, {"shpss_", HEX, 32, 0, 0}, {"shpca_", HEX, 32, 0, 0}, {"shppa_", HEX, 32, 0, 0}, // Shopify
	{"xapp-", DASHED, 20, 0, 1}, {"xoxa-", DASHED, 12, 0, 1}, {"xoxb-", DASHED, 12, 0, 1}, {"xoxc-", DASHED, 12, 0, 1}, // Slack
	{"xoxd-", DASHED, 12, 0, 1}, {"xoxe-", DASHED, 12, 0, 1}, {"xoxp-", DASHED, 12, 0, 1}, {"xoxr-", DASHED, 12, 0, 1},
	{"xoxs-", DASHED, 12, 0, 1}, {"https://hooks.slack.com/services/", PATH, 40, 0, 1},
	{"squ_", HEX, 40, 1, 0}, {"sqp_", HEX, 40, 1, 0}, {"sqa_", HEX, 40, 1, 0}, // SonarQube
	{"sgp_", WORD, 40, 0, 1}, // Sourcegraph
	{"EAAA", DASHED, 60, 1, 1}, {"sq0csp-", DASHED, 43, 1, 0}, {"sq0atp-", DASHED, 22, 1, 0}, // Square
	{"sk_live_", ALNUM, 16, 0, 0}, {"sk_test_", ALNUM, 16, 0, 0}, {"rk_live_", ALNUM, 16, 0, 0}, // Stripe
	{"rk_test_", ALNUM, 16, 0, 0}, {"whsec_", ALNUM, 24, 0, 0},
	{"sbp_", HEX, 40, 1, 0}, {"sb_secret_", DASHED, 30, 0, 1}, // Supabase
	{"tskey-", DASHED, 24, 0, 1}, // Tailscale
	{"tvly-", DASHED, 30, 0, 1}, // Tavily
	{"AKID", ALNUM, 32, 1, 2}, // Tencent Cloud
	{"tgp_v1_", DASHED, 43, 0, 0}, // Together AI
	{"SK", HEX, 32, 1, 0}, // Twilio
	{"tfp_", DASHED, 44, 0, 2}, // Typeform
	{"pa-", DASHED, 43, 1, 2}, // Voyage AI
	{"xai-", ALNUM, 40, 0, 0}, // xAI
	{"AQVN", DASHED, 35, 1, 1}, // Yandex Cloud
	{"zpka_", WORD, 40, 0, 1}, // Zuplo
};
#define SHAPES (sizeof shapes / sizeof *shapes)

static int allowed(u32 alphabet, u32 c) {
	u32 class = classes[c];
	switch (alphabet) {
	case ALNUM: return (class & C_ALNUM) != 0;
	case HEX: return (class & C_DIGIT) || (c | 32) - 'a' < 6;
	case UPPER: return (class & C_DIGIT) || c - 'A' < 26;
	case WORD: return word_byte(c);
	case DASHED: return (class & (C_ALNUM | C_UNDER)) != 0;
	case PATH: return (class & (C_ALNUM | C_UNDER)) || c == '/';
	default: return (class & (C_ALNUM | C_UNDER)) || c == '.';
	}
}

static int has(u32 needs, u32 i, u32 end) {
	u32 seen = 0;
	for (; i < end; i++) {
		u32 class = class_at(i);
		seen |= class & C_DIGIT ? 1 : class & C_LOWER ? 2 : class & C_ALPHA ? 4 : 0;
	}
	return needs == MIXED ? seen == 7 : !needs || (seen & 1);
}

static u32 shape_end(u32 s, u32 i) {
	if (shapes[s].alphabet != PATH) return run_end(OPEN_BASE64URL, i); // whatever follows without a break belongs to it
	while (allowed(PATH, at(i))) i++;
	return i;
}

static void try_shape(u32 s, u32 t) {
	u32 i = t;
	for (const char *p = shapes[s].prefix; *p; p++, i++)
		if (at(i) != (u8)*p) return;
	u32 from = i;
	for (u32 n = 0; n < shapes[s].least; n++, i++)
		if (!allowed(shapes[s].alphabet, at(i))) return;
	if (shapes[s].exact ? word_byte(at(i)) || (at(i) == '-' && shapes[s].alphabet == DASHED) : 0) return;
	u32 end = shapes[s].exact ? i : shape_end(s, i);
	if (has(shapes[s].needs, from, end)) offer(SECRET, end, 0);
}

static u8 heads[128], next[SHAPES + 1]; // by first character; shapes count from 1, and are fewer than 256

u32 pairs[128];

void prepare_secrets(void) {
	pairs['e'] = 1u << ('y' & 31), pairs['b'] = pairs['B'] = 1u << ('c' & 31); // find_jwt, find_bech32
	for (u32 s = SHAPES; s; s--) {
		u32 c = (u8)shapes[s - 1].prefix[0];
		next[s] = heads[c], heads[c] = (u8)s;
		pairs[c] |= 1u << (shapes[s - 1].prefix[1] & 31);
	}
}

void find_secret(u32 t) {
	u32 c = text.b[t];
	for (u32 s = c < 128 ? heads[c] : 0; s; s = next[s]) try_shape(s - 1, t);
}

// find_bot finds a Telegram bot's token: its number, a colon, 35 characters that begin with AA.
void find_bot(u32 t) {
	u32 i = t;
	while (digit_at(i) && i - t < 11) i++;
	if (i - t < 8 || i - t > 10 || at(i) != ':' || at(i + 1) != 'A' || at(i + 2) != 'A') return;
	u32 from = ++i;
	while (i - from < 36 && allowed(DASHED, at(i))) i++;
	if (i - from == 35) offer(SECRET, i, 0);
}
