// Secrets known by the name in front of them: name = value, name: value, "name": "value", Bearer value. The value must look
// made by a machine (entropy per character, digits) or, behind a word for password, mix its classes. Placeholders, calls and
// URLs are left alone.
#include "redact.h"

#define LEAST_KEY 16      // characters of a token or key
#define LONG_KEY 24       // characters from which on one digit does, beside both cases
#define LEAST_PASSWORD 8  // characters of a password
#define ENTROPY 48        // sixteenths of a bit per character: 3 bits
#define NAME 24           // characters of a name that are compared, from its end

// Names end in one of these, compared without case, _, - and full stops; spelled backwards, as they are read:
// apikey accesskey secretkey privatekey signingkey encryptionkey masterkey accountkey sharedkey authkey servicekey, secret,
// token, credential, credentials, bearer; password passwd pwd passphrase passcode.
static const char *const keys[] = {"yekipa", "yekssecca", "yekterces", "yeketavirp", "yekgningis", "yeknoitpyrcne", "yekretsam", "yektnuocca", "yekderahs", "yekhtua", "yekecivres", "terces", "nekot", "laitnederc", "slaitnederc", "reraeb"};
static const char *const passwords[] = {"drowssap", "dwssap", "dwp", "esarhpssap", "edocssap"};

static int quote(u32 c) { return c == '"' || c == '\'' || c == '`'; }

// before_value steps back from t over a quote, spaces and = : => := to the end of the name. 0 where there is no such thing;
// bare gets whether only spaces stand between.
static u32 before_value(u32 t, int *bare) {
	u32 floor = look_floor(t), i = t, spaces = i;
	if (i > floor && quote(text.b[i - 1])) i--;
	if (i > floor && text.b[i - 1] == '\\') i--; // a quote inside a quoted text
	while (i > floor && text.b[i - 1] == ' ') i--;
	u32 operator = i;
	if (i > floor && text.b[i - 1] == '>') i--;
	while (i > floor && operator - i < 3 && (text.b[i - 1] == '=' || text.b[i - 1] == ':')) i--;
	*bare = i == operator && i < spaces;
	if (i == operator && !*bare) return 0;
	while (i > floor && text.b[i - 1] == ' ') i--;
	if (i > floor && (quote(text.b[i - 1]) || text.b[i - 1] == ']')) i--;
	if (i > floor && (quote(text.b[i - 1]) || text.b[i - 1] == '\\')) i--;
	return i;
}

// read_name writes the name that ends at i, reduced and backwards.
static u32 read_name(u32 t, u32 i, u8 *name) {
	u32 floor = look_floor(t), n = 0;
	for (; i > floor && n < NAME; i--) {
		u32 c = text.b[i - 1];
		if (c == '_' || c == '-' || c == '.') continue;
		if (!(classes[c] & C_ALNUM)) break;
		name[n++] = (u8)lower(c);
	}
	return n;
}

static int listed(const char *const *list, u32 count, const u8 *name, u32 n) {
	for (u32 k = 0; k < count; k++) {
		u32 i = 0;
		while (list[k][i] && i < n && name[i] == (u8)list[k][i]) i++;
		if (!list[k][i]) return 1;
	}
	return 0;
}

enum { NOT_NAMED, KEY, PASSWORD };

#define LETTER(c) (1u << ((c) - 'a'))
#define LAST_LETTERS (LETTER('d') | LETTER('e') | LETTER('l') | LETTER('n') | LETTER('r') | LETTER('s') | LETTER('t') | LETTER('y')) // of names

static int named(u32 t) {
	u8 name[NAME];
	int bare;
	u32 before = behind(t, 1);
	if (!quote(before) && before != ' ' && before != '=' && before != ':' && before != '>') return NOT_NAMED;
	u32 i = before_value(t, &bare), last = i ? lower(text.b[i - 1]) - 'a' : 26;
	if (last >= 26 || !(LAST_LETTERS >> last & 1) || (bare && last != 'r' - 'a')) return NOT_NAMED;
	u32 n = read_name(t, i, name);
	if (!n) return NOT_NAMED;
	static const char *const bearer[] = {"reraeb"};
	if (bare) return listed(bearer, 1, name, n) && n == 6 ? KEY : NOT_NAMED;
	if (listed(passwords, sizeof passwords / sizeof *passwords, name, n)) return PASSWORD;
	return listed(keys, sizeof keys / sizeof *keys, name, n) ? KEY : NOT_NAMED;
}

// log2_16 is 16 * log2(n), rounded down: the leading bit, then four bits by squaring.
static u32 log2_16(u32 n) {
	u32 whole = 31 - (u32)__builtin_clz(n), x = (n << 16) >> whole, result = whole;
	for (u32 bit = 0; bit < 4; bit++) {
		u64 square = (u64)x * x >> 16;
		result = result << 1 | (square >= 2 << 16);
		x = (u32)(square >= 2 << 16 ? square >> 1 : square);
	}
	return result;
}

struct look {
	u32 lower, upper, digit, symbol;
	u32 entropy; // sixteenths of a bit per character (Shannon)
};

static struct look measure(u32 i, u32 end) {
	u16 count[128];
	struct look l = {0, 0, 0, 0, 0};
	u32 len = end - i, sum = 0;
	for (u32 c = 0; c < 128; c++) count[c] = 0;
	for (; i < end; i++) {
		u32 c = at(i);
		count[c & 127]++;
		if (classes[c] & C_DIGIT) l.digit++;
		else if (c - 'a' < 26) l.lower++;
		else if (c - 'A' < 26) l.upper++;
		else l.symbol++;
	}
	for (u32 c = 0; c < 128; c++)
		if (count[c]) sum += count[c] * log2_16(count[c]);
	l.entropy = log2_16(len) - sum / len;
	return l;
}

// hot repeats what makes the scan ask here, so that a value is found or not for its own sake alone.
static int hot(u32 i, u32 end) {
	u32 from = i;
	for (; i < end && !(class_at(i) & C_DELIM); i++)
		if (class_at(i) & C_HOT) return 1;
	return i - from >= COLD;
}

static int secret_looking(int name, u32 i, u32 end) {
	struct look l = measure(i, end);
	u32 len = end - i, mixed = !!l.lower + !!l.upper + !!l.digit + !!l.symbol;
	if (at(end) == '(' || !(l.lower + l.upper) || !l.digit) return 0;
	for (u32 k = i; k + 2 < end; k++)
		if (at(k) == ':' && at(k + 1) == '/' && at(k + 2) == '/') return 0;
	if (name == PASSWORD && len >= LEAST_PASSWORD && mixed >= 3) return 1;
	if (l.digit < 2 && (len < LONG_KEY || l.lower < 2 || l.upper < 2)) return 0;
	return len >= (name == PASSWORD ? LEAST_PASSWORD + 2 : LEAST_KEY) && l.entropy >= ENTROPY;
}

// behind_user steps back from the colon at t - 1 over a user's name to the // of a URL; 0 where there is none.
static int behind_user(u32 t) {
	u32 floor = look_floor(t), i = t - 1;
	while (i > floor && ((classes[text.b[i - 1]] & C_ALNUM) || text.b[i - 1] == '.' || text.b[i - 1] == '_' || text.b[i - 1] == '-' || text.b[i - 1] == '%')) i--;
	return i >= floor + 2 && text.b[i - 1] == '/' && text.b[i - 2] == '/';
}

// find_userinfo finds the password of a URL (RFC 3986, section 3.2.1): scheme://user:password@host.
void find_userinfo(u32 t) {
	if (behind(t, 1) != ':' || text.b[t] == '$' || text.b[t] == '/' || !behind_user(t)) return;
	u32 i = t, c;
	while (c = at(i), c != '@' && c != '/' && c != '?' && c != '#' && !(classes[c] & C_DELIM)) i++;
	if (c == '@' && i > t && (class_at(i + 1) & (C_ALNUM | C_DELIM)) && at(i + 1) > ' ') offer(SECRET, i, 0);
}

void find_value(u32 t) {
	int name = named(t);
	if (!name) return;
	u32 end = run_end(OPEN_VALUE, t);
	if (text.bound) return;
	while (end > t && (at(end - 1) == '?' || at(end - 1) == '!' || at(end - 1) == ':')) end--; // the sentence's
	if (end - t >= LEAST_PASSWORD && hot(t, end) && secret_looking(name, t, end)) offer(SECRET, end, 0);
}
