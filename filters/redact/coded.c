// Identifiers of letters and digits in one word: they are told apart by its length and by where its digits stand.
#include "redact.h"

#define MOST 24

static struct {
	u32 len;
	u32 digits; // bit i: the character i is a digit
	u32 lower;  // a small letter stands in it
	u8 c[MOST];
} word;

static void read_word(u32 t) {
	word.digits = word.lower = 0;
	for (word.len = 0; word.len < MOST; word.len++) {
		u32 c = at(t + word.len), class = classes[c];
		word.lower |= class & C_LOWER;
		if (!(class & C_ALNUM) || word.lower) break;
		word.c[word.len] = (u8)c;
		word.digits |= (u32)((class & C_DIGIT) != 0) << word.len;
	}
}

static u32 digit(u32 i) { return (u32)word.c[i] - '0'; }

static u32 number_in(u32 from, u32 n) {
	u32 v = 0;
	for (u32 i = 0; i < n; i++) v = v * 10 + digit(from + i);
	return v;
}

static int one_of(u32 c, const char *set) {
	while (*set && (u8)*set != c) set++;
	return *set != 0;
}

#define BITS(from, to) ((2u << (to)) - (1u << (from)))

// HM Revenue & Customs: letters that are not used, prefixes that are not given out.
static int check_nino(u32 a, u32 b, u32 suffix) {
	if (one_of(a, "DFIQUV") || one_of(b, "DFIQUVO") || suffix - 'A' > 3) return 0;
	return !((a == 'B' && b == 'G') || (a == 'G' && b == 'B') || (a == 'N' && one_of(b, "KT")) || (a == 'K' && b == 'N') ||
		(a == 'T' && b == 'N') || (a == 'Z' && b == 'Z'));
}

// Agencia Tributaria, Real Decreto 338/1990: the remainder by 23 names the letter; X, Y, Z stand for 0, 1, 2.
static int check_nif(u32 first, u32 number) {
	return word.c[8] == (u8)"TRWAGMYFPDXBNJZSQVHLCKE"[(first * 10000000 + number) % 23];
}

static int check_nric(void) {
	static const char *const letters[] = {"JZIHGFEDCBA", "XWUTRQPNMLK", "XWUTRQPNJLK"}; // S and T; F and G; M
	u32 c = word.c[0], sum = 0;
	if (!one_of(c, "STFGM")) return 0;
	for (u32 i = 1; i < 8; i++) sum += digit(i) * (u32)("2765432"[i - 1] - '0');
	sum += c == 'T' || c == 'G' ? 4 : c == 'M' ? 3 : 0;
	return word.c[8] == (u8)letters[c == 'S' || c == 'T' ? 0 : c == 'M' ? 2 : 1][sum % 11];
}

static int check_dea(void) {
	u32 sum = digit(2) + digit(4) + digit(6) + 2 * (digit(3) + digit(5) + digit(7));
	return one_of(word.c[0], "ABCDEFGHJKLMPRSTUX") && sum % 10 == digit(8);
}

// Department of Social Protection: weights 8 to 2, a second letter counts 9.
static int check_pps(void) {
	u32 sum = 0, second = word.len > 8 ? word.c[8] : 'W';
	for (u32 i = 0; i < 7; i++) sum += digit(i) * (8 - i);
	sum += (second == 'W' ? 0 : second - 'A' + 1) * 9;
	return word.c[7] == (u8)"WABCDEFGHIJKLMNOPQRSTUV"[sum % 23] && (second == 'W' || second <= 'I');
}

// The letter counts as two digits, in an order of its own.
static int check_tw(void) {
	static const u8 codes[] = {10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33};
	u32 code = codes[word.c[0] - 'A'], sum = code / 10 + code % 10 * 9 + digit(9);
	for (u32 i = 1; i < 9; i++) sum += digit(i) * (9 - i);
	return one_of(word.c[1], "1289") && sum % 10 == 0;
}

// Two letters or a space and one, six digits, the check digit in parentheses.
static int check_hk(u32 letters, u32 check) {
	u32 sum = letters == 2 ? (word.c[0] - 'A' + 10) * 9 : 36 * 9;
	sum += (word.c[letters - 1] - 'A' + 10) * 8;
	for (u32 i = 0; i < 6; i++) sum += digit(letters + i) * (7 - i);
	sum += check == 'A' ? 10 : check - '0';
	return sum % 11 == 0;
}

// Decreto ministeriale 345/1976: odd places by a table, even ones by value, the sum's remainder by 26 is the last letter. A
// digit may be written as a letter of LMNPQRSTUV where two persons would have the same code.
static int check_cf(void) {
	static const u8 odd[] = {1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
	static const char places[] = "AAAAAA99L99A999"; // L: a letter for the month
	u32 sum = 0;
	for (u32 i = 0; i < 15; i++) {
		u32 c = word.c[i], is_digit = c <= '9', v = is_digit ? c - '0' : c - 'A';
		if (places[i] == '9' ? !is_digit && !one_of(c, "LMNPQRSTUV") : is_digit) return 0;
		if (places[i] == 'L' && !one_of(c, "ABCDEHLMPRST")) return 0;
		sum += i & 1 ? v : odd[v];
	}
	return word.c[15] == 'A' + sum % 26;
}

// Registro Nacional de Población: base 37 with Ñ, weights 18 to 2.
static int check_curp(void) {
	u32 sum = 0;
	if (word.digits & ~(BITS(4, 9) | 1u << 16 | 1u << 17)) return 0;
	if ((word.digits & BITS(4, 9)) != BITS(4, 9) || word.c[17] > '9' || !one_of(word.c[10], "HMX")) return 0;
	if (!date(number_in(8, 2), number_in(6, 2))) return 0;
	for (u32 i = 0; i < 17; i++) {
		u32 c = word.c[i], v = c <= '9' ? c - '0' : c - 'A' + 10 + (c > 'N');
		sum += v * (18 - i);
	}
	return (10 - sum % 10) % 10 == digit(17);
}

// ISO 3779 and 49 CFR 565: transliteration and weights, the ninth place is the check.
static int check_vin(void) {
	static const char values[] = "12345678012345070923456789"; // A to Z; I, O and Q can't be
	static const char weights[] = "8765432:098765432";
	u32 sum = 0;
	for (u32 i = 0; i < 17; i++) {
		u32 c = word.c[i];
		if (one_of(c, "IOQ")) return 0;
		sum += (c <= '9' ? c - '0' : (u32)(values[c - 'A'] - '0')) * (u32)(weights[i] - '0');
	}
	return word.c[8] == (sum % 11 == 10 ? 'X' : '0' + sum % 11);
}

// ISO 17442: ISO 7064 MOD 97-10.
static int check_lei(void) {
	u32 r = 0;
	for (u32 i = 0; i < 20; i++) r = remainder97(r, word.c[i]);
	return r == 1 && (word.digits >> 18 & 3) == 3;
}

// GB 11643 with the check X, which counts 10.
static int check_ric_x(void) {
	u32 r = 0, year = number_in(6, 4);
	if (word.c[17] != 'X' || number_in(0, 2) < 11 || year < 1850 || year > 2100 || !date(number_in(12, 2), number_in(10, 2))) return 0;
	for (u32 i = 0; i < 17; i++) r = (r + digit(i)) * 2 % 11;
	return (r + 10) % 11 == 1;
}

static int hetu_letter(u32 date_part, u32 serial, u32 c) { return c == (u8)"0123456789ABCDEFHJKLMNPRSTUVWXY"[(date_part * 1000 + serial) % 31]; }

// find_hetu: Digital and Population Data Services Agency: the day of birth, a sign of the century, a number, the check.
static void find_hetu(u32 t) {
	u32 serial = 0, i = t + 7;
	if (!one_of(at(t + 6), "+-ABCDEFYXWVU") || (word.digits & 63) != 63 || number_misplaced(t) || !date(number_in(0, 2), number_in(2, 2))) return;
	for (; i < t + 10; i++) {
		if (!digit_at(i)) return;
		serial = serial * 10 + at(i) - '0';
	}
	if (serial >= 2 && hetu_letter(number_in(0, 6), serial, at(i)) && number_ends(i + 1)) offer(FI_HETU, i + 1, 0);
}

// find_spaced_nino: AB 12 34 56 C, as it is printed.
static void find_spaced_nino(u32 t) {
	if (!(classes[behind(t, 1)] & C_DELIM)) return;
	for (u32 i = 2; i < 11; i += 3)
		if (at(t + i) != ' ' || !digit_at(t + i + 1) || !digit_at(t + i + 2)) return;
	if (at(t + 11) == ' ' && check_nino(word.c[0], word.c[1], at(t + 12)) && number_ends(t + 13)) offer(UK_NINO, t + 13, 0);
}

static void find_hkid(u32 t) {
	u32 letters = word.len - 6, end = t + word.len;
	if (word.digits != BITS(letters, letters + 5)) return;
	u32 check = at(end + 1);
	if (at(end) != '(' || at(end + 2) != ')' || !(digit_at(end + 1) || check == 'A')) return;
	if (check_hk(letters, check) && !word_byte(at(end + 3))) offer(HK_ID, end + 3, 0);
}

// ISO 3166-1 codes of countries, for bank identifiers.
static int country(u32 a, u32 b) {
	static const char codes[] =
		"ADAEAFAGAIALAMAOARATAUAWAZBABBBDBEBFBGBHBIBJBMBNBOBRBSBTBWBYBZCACDCFCGCHCICKCLCMCNCOCRCUCVCWCYCZDEDJDKDMDODZECEEEGERESETFIFJFKFM"
		"FOFRGAGBGDGEGFGGGHGIGLGMGNGQGRGTGUGWGYHKHNHRHTHUIDIEILIMINIQIRISITJEJMJOJPKEKGKHKIKMKNKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMGMK"
		"MLMMMNMOMRMSMTMUMVMWMXMYMZNANCNENGNINLNONPNRNZOMPAPEPFPGPHPKPLPRPSPTPYQARERORSRURWSASBSCSDSESGSISKSLSMSNSOSRSTSVSYSZTCTDTGTHTJTL"
		"TMTNTOTRTTTVTWTZUAUGUSUYUZVAVCVEVGVNVUWSXKYEZAZMZW";
	for (u32 i = 0; codes[i]; i += 2)
		if (a == (u8)codes[i] && b == (u8)codes[i + 1]) return 1;
	return 0;
}

// A code of letters alone counts only between delimiters, as the scan would not ask for it elsewhere.
static int is_bic(u32 t) {
	if ((word.len != 8 && word.len != 11) || (word.digits & 63) || !country(word.c[4], word.c[5])) return 0;
	u32 end = t + word.len;
	if (word.digits) return 1;
	return (classes[behind(t, 1)] & C_DELIM) && ((class_at(end) & C_DELIM) || (class_at(end + 1) & C_DELIM));
}

static int is_passport(void) {
	if (word.len < 6 || word.len > 9 || !word.digits) return 0;
	u32 letters = (u32)__builtin_ctz(word.digits);
	return letters - 1 < 3 && word.digits == BITS(letters, word.len - 1) && word.len - letters >= 5;
}

// named offers a word that one of the names must stand in front of.
static void named(u32 t, u32 kind, const char *names) {
	if (kinds[kind].on && word_before(t, names, 4)) offer(kind, t + word.len, 0);
}

static void nine(u32 t) {
	u32 d = word.digits;
	if (d == BITS(2, 7) && check_nino(word.c[0], word.c[1], word.c[8])) named(t, UK_NINO, "nino ni insurance nin");
	if (d == BITS(0, 7) && check_nif(0, number_in(0, 8))) named(t, ES_NIF, "dni nif identidad documento");
	if (d == BITS(1, 7) && word.c[0] - 'X' < 3u && check_nif(word.c[0] - 'X', number_in(1, 7))) named(t, ES_NIF, "nie nif extranjero documento");
	if (d == BITS(1, 7) && check_nric()) named(t, SG_NRIC, "nric fin ic identity");
	if (d == BITS(2, 8) && check_dea()) named(t, US_DEA, "dea");
}

static void ten(u32 t) {
	if (word.digits == BITS(5, 8) && one_of(word.c[3], "ABCFGHJLPT")) named(t, IN_PAN, "pan permanent");
	if (word.digits == BITS(1, 9) && word.c[0] > '9' && check_tw()) named(t, TW_ID, "identity arc taiwan");
}

void find_coded(u32 t) {
	read_word(t);
	if (word.lower || word.len == MOST) return;
	if (word.len == 6 || word.len == 11) find_hetu(t);
	if (word.len == 2) find_spaced_nino(t);
	if (word.len == 7 || word.len == 8) find_hkid(t);
	if (!number_ends(t + word.len) || number_misplaced(t)) return;
	switch (word.len) {
	case 9: nine(t); break;
	case 10: ten(t); break;
	case 16:
		if (check_cf()) offer(IT_CF, t + 16, 0);
		break;
	case 17:
		if (check_vin()) named(t, VIN, "vin vehicle chassis");
		break;
	case 18:
		if (word.digits == BITS(0, 16) && check_ric_x()) offer(CN_RIC, t + 18, 0);
		if (check_curp()) offer(MX_CURP, t + 18, 0);
		break;
	case 20:
		if (check_lei()) offer(LEI, t + 20, 0);
		break;
	default: break;
	}
	if ((word.digits == BITS(0, 6) && word.len - 8 < 2) && check_pps()) named(t, IE_PPS, "pps ppsn");
	if (is_bic(t)) named(t, BIC, "bic swift");
	if (is_passport()) named(t, PASSPORT, "passport passeport reisepass pasaporte passaporto paspoort");
}
