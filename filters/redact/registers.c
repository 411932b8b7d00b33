// Numbers of registers: what a state, a bank or a network gives out with nothing but digits. One table: the groups it is
// printed in, what parts them, the check, and the words one of which must stand in front. There are none where a number
// in that form that passes by chance is rarer than one in a thousand, or nothing else is printed that way.
#include "redact.h"

#define G2(a, b) ((u64)(a) << 5 | (b))
#define G3(a, b, c) (G2(a, b) << 5 | (c))
#define G4(a, b, c, d) (G3(a, b, c) << 5 | (d))
#define G5(a, b, c, d, e) (G4(a, b, c, d) << 5 | (e))
#define G7(a, b, c, d, e, f, g) (G5(a, b, c, d, e) << 10 | (f) << 5 | (g))

static int all_equal(const u8 *d, u32 n) {
	for (u32 i = 1; i < n; i++)
		if (d[i] != d[0]) return 0;
	return 1;
}

// Social Security Administration: area not 000, 666 or 9xx, group not 00, serial not 0000.
static int check_ssn(const u8 *d) {
	u32 area = value_of(d, 3);
	return d[0] != 9 && area && area != 666 && (d[3] || d[4]) && value_of(d + 5, 4);
}

// Internal Revenue Service: 9xx, group 50-65, 70-88, 90-92, 94-99.
static int check_itin(const u8 *d) {
	u32 g = value_of(d + 3, 2);
	return d[0] == 9 && ((g >= 50 && g <= 65) || (g >= 70 && g <= 88) || (g >= 90 && g != 93));
}

// Internal Revenue Service: the prefixes that were never given out.
static int check_ein(const u8 *d) {
	static const u8 none[] = {0, 7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78, 79, 89, 96, 97};
	for (u32 i = 0; i < sizeof none; i++)
		if (value_of(d, 2) == none[i]) return 0;
	return !all_equal(d + 2, 7);
}

// Centers for Medicare & Medicaid Services: Luhn with 80840 in front, whose part of the sum is 24.
static int check_npi(const u8 *d) {
	u8 with[15] = {8, 0, 8, 4, 0};
	for (u32 i = 0; i < 10; i++) with[5 + i] = d[i];
	return (d[0] == 1 || d[0] == 2) && luhn(with, 15);
}

// American Bankers Association: Federal Reserve prefixes, weights 3 7 1.
static int check_aba(const u8 *d) {
	u32 p = value_of(d, 2);
	return (p - 1 < 12 || p - 21 < 12 || p - 61 < 12 || p == 80) && weighted(d, "371371371") % 10 == 0;
}

static int check_nhs(const u8 *d) {
	return !all_equal(d, 10) && weighted(d, ":987654321") % 11 == 0;
}

static int check_sin(const u8 *d) { return d[0] && d[0] != 8 && luhn(d, 9) && !all_equal(d, 9); }
static int check_tfn(const u8 *d) { return !all_equal(d, 9) && weighted(d, "14375869:") % 11 == 0; }

static int check_abn(const u8 *d) {
	return d[0] && (weighted(d, ":13579;=?AC") + 89 - 10) % 89 == 0; // one is taken from the first digit
}

static int check_medicare(const u8 *d) {
	return d[0] >= 2 && d[0] <= 6 && weighted(d, "13791379") % 10 == d[8] && d[9];
}

static int check_aadhaar(const u8 *d) { return d[0] >= 2 && verhoeff(d, 12); }

// INSEE: sex, year, month (also the registrar's substitutes), 97 less the remainder.
static int check_nir(const u8 *d) {
	u32 month = value_of(d + 3, 2), department = value_of(d + 5, 2);
	if (d[0] == 0 || d[0] == 5 || d[0] == 6 || d[0] == 9 || !department) return 0;
	if (!(month - 1 < 12 || month - 20 < 23 || month >= 50)) return 0;
	return 97 - remainder_of(d, 13, 97) == value_of(d + 13, 2);
}

// Bundeszentralamt für Steuern: of the first ten digits one stands twice or three times, the others once at most.
static int check_steuer(const u8 *d) {
	u8 count[10] = {0};
	u32 more = 0, most = 0;
	for (u32 i = 0; i < 10; i++) count[d[i]]++;
	for (u32 i = 0; i < 10; i++)
		if (count[i] > 1) more++, most = count[i];
	return d[0] && more == 1 && most <= 3 && mod11_10(d, 11);
}

static int check_bsn(const u8 *d) {
	return !all_equal(d, 9) && (weighted(d, "98765432") + 11 * 11 - d[8]) % 11 == 0;
}

static int check_be(const u8 *d) {
	u32 month = value_of(d + 2, 2), day = value_of(d + 4, 2), r = remainder_of(d, 9, 97), check = value_of(d + 9, 2);
	if (month >= 40) month -= 40;
	else if (month >= 20) month -= 20; // a bis number
	if (!date(day, month)) return 0;
	return 97 - r == check || 97 - (r + 2000000000u % 97) % 97 == check; // born since 2000
}

static int check_pesel(const u8 *d) {
	return date(value_of(d + 4, 2), value_of(d + 2, 2) % 20) && weighted(d, "13791379131") % 10 == 0;
}

static int check_se(const u8 *d) {
	u32 day = value_of(d + 4, 2);
	return date(day > 60 ? day - 60 : day, value_of(d + 2, 2)) && luhn(d, 10);
}

static int check_se12(const u8 *d) {
	u32 century = value_of(d, 2);
	return century >= 18 && century <= 20 && check_se(d + 2);
}

static int check_no(const u8 *d) {
	u32 day = value_of(d, 2), month = value_of(d + 2, 2);
	if (day > 40) day -= 40;                         // a D number
	if (month > 40) month -= month > 80 ? 80 : 40; // test and help numbers
	return date(day, month) && weighted(d, "3761894521") % 11 == 0 && weighted(d, "54327654321") % 11 == 0;
}

static int check_cpr(const u8 *d) { return date(value_of(d, 2), value_of(d + 2, 2)); }

static int check_ahv(const u8 *d) { return value_of(d, 3) == 756 && weighted(d, "1313131313131") % 10 == 0; }

static u32 mod11_digit(u32 sum) { return sum % 11 < 2 ? 0 : 11 - sum % 11; }

static int check_cpf(const u8 *d) {
	return !all_equal(d, 11) && mod11_digit(weighted(d, ":98765432")) == d[9] && mod11_digit(weighted(d, ";:98765432")) == d[10];
}

static int check_cnpj(const u8 *d) {
	return !all_equal(d, 14) && mod11_digit(weighted(d, "543298765432")) == d[12] && mod11_digit(weighted(d, "6543298765432")) == d[13];
}

// GB 11643: region, date of birth, ISO 7064 MOD 11-2.
static int check_ric(const u8 *d) {
	u32 region = value_of(d, 2), year = value_of(d + 6, 4), r = 0;
	if (region < 11 || region > 91 || year < 1850 || year > 2100 || !date(value_of(d + 12, 2), value_of(d + 10, 2))) return 0;
	for (u32 i = 0; i < 17; i++) r = (r + d[i]) * 2 % 11;
	return (r + d[17]) % 11 == 1;
}

static int check_rrn_date(const u8 *d) { return date(value_of(d + 4, 2), value_of(d + 2, 2)) && d[6] - 1u < 8; }
static int check_rrn(const u8 *d) { return check_rrn_date(d) && (11 - weighted(d, "234567892345") % 11) % 10 == d[12]; }

static int check_za(const u8 *d) {
	return date(value_of(d + 4, 2), value_of(d + 2, 2)) && d[10] < 3 && luhn(d, 13);
}

static int check_tckn(const u8 *d) {
	u32 odd = d[0] + d[2] + d[4] + d[6] + d[8], even = d[1] + d[3] + d[5] + d[7];
	return d[0] && (odd * 7 + 90 - even) % 10 == d[9] && (odd + even + d[9]) % 10 == d[10];
}

static int check_mynumber(const u8 *d) { return !all_equal(d, 12) && mod11_digit(weighted(d, "65432765432")) == d[11]; }
static int check_pt(const u8 *d) { return d[0] && mod11_digit(weighted(d, "98765432")) == d[8] && !all_equal(d, 9); }

static int check_cnp(const u8 *d) {
	u32 r = weighted(d, "279146358279") % 11;
	return d[0] && date(value_of(d + 5, 2), value_of(d + 3, 2)) && value_of(d + 7, 2) && (r == 10 ? 1 : r) == d[12];
}

static int check_rc(const u8 *d) {
	u32 month = value_of(d + 2, 2);
	if (month > 50) month -= 50; // women
	if (month > 20) month -= 20; // when a day's numbers have run out
	if (!date(value_of(d + 4, 2), month)) return 0;
	return remainder_of(d, 10, 11) == 0 || (remainder_of(d, 9, 11) == 10 && d[9] == 0);
}

static int check_il(const u8 *d) { return !all_equal(d, 9) && luhn(d, 9); }

static int check_cuit(const u8 *d) {
	u32 type = value_of(d, 2), r = weighted(d, "5432765432") % 11;
	return (type == 20 || (type >= 23 && type <= 27) || type == 30 || type == 33 || type == 34) && (r == 0 ? 0 : r == 1 ? 9 : 11 - r) == d[10];
}

static int check_th(const u8 *d) { return d[0] && (11 - weighted(d, "=<;:98765432") % 11) % 10 == d[12]; }
static int check_oib(const u8 *d) { return mod11_10(d, 11); }
static int check_imei(const u8 *d) { return luhn(d, 15) && !all_equal(d, 15); }
static int check_none(const u8 *d) { return !all_equal(d, 9); }

// SAME stands for one kind of separator throughout: spaces, hyphens or full stops.
#define SAME "*"

static const char ssn[] = "ssn ssns social security", itin[] = "itin taxpayer", ein[] = "ein fein employer", npi[] = "npi provider",
	aba[] = "aba routing rtn transit", nhs[] = "nhs", sin[] = "sin nas insurance", tfn[] = "tfn tax", abn[] = "abn business",
	medicare[] = "medicare", aadhaar[] = "aadhaar aadhar adhaar uid uidai", nir[] = "nir insee securite secu sociale vitale",
	steuer[] = "steuer steuernummer idnr steuerid steueridentifikationsnummer identifikationsnummer tin tax",
	bsn[] = "bsn burgerservicenummer sofinummer sofi", be[] = "rijksregisternummer rijksregister national registre niss insz nrn",
	pesel[] = "pesel", pnr[] = "personnummer personnr pnr samordningsnummer", fnr[] = "fodselsnummer dselsnummer fnr personnummer",
	cpr[] = "cpr personnummer", ahv[] = "ahv avs oasi", cpf[] = "cpf", cnpj[] = "cnpj", rrn[] = "rrn resident registration jumin",
	za[] = "id identity rsa", tckn[] = "tckn tc kimlik tcno", mynumber[] = "mynumber kojin bango", pt[] = "nif contribuinte nipc",
	cnp[] = "cnp", rc[] = "rc rodne rodn slo cislo", il[] = "teudat zehut tz israeli", cuit[] = "cuit cuil", th[] = "citizen thai thailand",
	oib[] = "oib", imei[] = "imei", passport[] = "passport passeport reisepass pasaporte passaporto paspoort";

static const struct row {
	u64 shape;
	const char *seps;  // between groups, or SAME
	const char *words; // one of them stands in front; 0: none need
	int (*check)(const u8 *digits);
	u8 kind;
} rows[] = {
	{G3(3, 2, 4), "--", 0, check_ssn, SSN}, {G3(3, 2, 4), SAME, ssn, check_ssn, SSN}, {9, "", ssn, check_ssn, SSN},
	{G3(3, 2, 4), "--", 0, check_itin, US_ITIN}, {G3(3, 2, 4), SAME, itin, check_itin, US_ITIN}, {9, "", itin, check_itin, US_ITIN},
	{G2(2, 7), "-", ein, check_ein, US_EIN}, {9, "", ein, check_ein, US_EIN},
	{10, "", npi, check_npi, US_NPI},
	{9, "", aba, check_aba, ABA},
	{15, "", imei, check_imei, IMEI}, {G4(2, 6, 6, 1), SAME, imei, check_imei, IMEI},
	{9, "", passport, check_none, PASSPORT},
	{10, "", nhs, check_nhs, UK_NHS}, {G3(3, 3, 4), SAME, nhs, check_nhs, UK_NHS},
	{9, "", sin, check_sin, CA_SIN}, {G3(3, 3, 3), SAME, sin, check_sin, CA_SIN},
	{9, "", tfn, check_tfn, AU_TFN}, {G3(3, 3, 3), SAME, tfn, check_tfn, AU_TFN},
	{11, "", abn, check_abn, AU_ABN}, {G4(2, 3, 3, 3), SAME, 0, check_abn, AU_ABN},
	{10, "", medicare, check_medicare, AU_MEDICARE}, {G3(4, 5, 1), SAME, medicare, check_medicare, AU_MEDICARE},
	{11, "", medicare, check_medicare, AU_MEDICARE}, {G4(4, 5, 1, 1), SAME, medicare, check_medicare, AU_MEDICARE},
	{G3(4, 5, 2), SAME, medicare, check_medicare, AU_MEDICARE},
	{12, "", aadhaar, check_aadhaar, IN_AADHAAR}, {G3(4, 4, 4), SAME, aadhaar, check_aadhaar, IN_AADHAAR},
	{15, "", nir, check_nir, FR_NIR}, {G2(13, 2), SAME, 0, check_nir, FR_NIR}, {G7(1, 2, 2, 2, 3, 3, 2), SAME, 0, check_nir, FR_NIR},
	{11, "", steuer, check_steuer, DE_TAX_ID}, {G4(2, 3, 3, 3), SAME, steuer, check_steuer, DE_TAX_ID},
	{9, "", bsn, check_bsn, NL_BSN}, {G3(4, 2, 3), SAME, bsn, check_bsn, NL_BSN}, {G3(3, 3, 3), SAME, bsn, check_bsn, NL_BSN},
	{11, "", be, check_be, BE_RRN}, {G5(2, 2, 2, 3, 2), "..-.", 0, check_be, BE_RRN}, {G5(2, 2, 2, 3, 2), SAME, 0, check_be, BE_RRN},
	{G3(6, 3, 2), SAME, be, check_be, BE_RRN},
	{11, "", pesel, check_pesel, PL_PESEL},
	{10, "", pnr, check_se, SE_PNR}, {G2(6, 4), "-", pnr, check_se, SE_PNR},
	{12, "", pnr, check_se12, SE_PNR}, {G2(8, 4), "-", pnr, check_se12, SE_PNR},
	{11, "", fnr, check_no, NO_FNR}, {G2(6, 5), SAME, 0, check_no, NO_FNR},
	{10, "", cpr, check_cpr, DK_CPR}, {G2(6, 4), SAME, cpr, check_cpr, DK_CPR},
	{13, "", ahv, check_ahv, CH_AHV}, {G4(3, 4, 4, 2), SAME, 0, check_ahv, CH_AHV},
	{11, "", cpf, check_cpf, BR_CPF}, {G4(3, 3, 3, 2), "..-", 0, check_cpf, BR_CPF},
	{14, "", cnpj, check_cnpj, BR_CNPJ}, {G5(2, 3, 3, 4, 2), "../-", 0, check_cnpj, BR_CNPJ},
	{18, "", 0, check_ric, CN_RIC}, {G3(6, 8, 4), SAME, 0, check_ric, CN_RIC},
	{G2(6, 7), "-", 0, check_rrn, KR_RRN}, {G2(6, 7), "-", rrn, check_rrn_date, KR_RRN}, {13, "", rrn, check_rrn_date, KR_RRN},
	{13, "", za, check_za, ZA_ID}, {G4(6, 4, 2, 1), SAME, za, check_za, ZA_ID}, {G3(6, 4, 3), SAME, za, check_za, ZA_ID},
	{11, "", tckn, check_tckn, TR_TCKN},
	{12, "", mynumber, check_mynumber, JP_MYNUMBER}, {G3(4, 4, 4), SAME, mynumber, check_mynumber, JP_MYNUMBER},
	{9, "", pt, check_pt, PT_NIF}, {G3(3, 3, 3), SAME, pt, check_pt, PT_NIF},
	{13, "", cnp, check_cnp, RO_CNP},
	{10, "", rc, check_rc, CZ_RC}, {G2(6, 4), "/", rc, check_rc, CZ_RC},
	{9, "", il, check_il, IL_ID}, {G3(1, 7, 1), SAME, il, check_il, IL_ID},
	{11, "", cuit, check_cuit, AR_CUIT}, {G3(2, 8, 1), "--", cuit, check_cuit, AR_CUIT},
	{13, "", th, check_th, TH_ID}, {G5(1, 4, 5, 2, 1), SAME, 0, check_th, TH_ID},
	{11, "", oib, check_oib, HR_OIB},
};
#define ROWS (sizeof rows / sizeof *rows)

static u8 heads[NUMBER_DIGITS + 1], next[ROWS + 1]; // by count of digits; rows count from 1

void prepare_registers(void) {
	for (u32 r = ROWS; r; r--) {
		u32 n = 0;
		for (u64 shape = rows[r - 1].shape; shape; shape >>= 5) n += shape & 31;
		next[r] = heads[n], heads[n] = (u8)r;
	}
}

static int parted(const char *seps, u32 groups) {
	u32 first = number.sep[1];
	if (*seps == '*' && (first == '/' || groups < 2)) return 0;
	for (u32 g = 1; g < groups; g++)
		if (number.sep[g] != (*seps == '*' ? first : (u8)seps[g - 1])) return 0;
	return 1;
}

static int my_number(u32 t) { return word_before(t, "number", 1) && word_before(t, "my", 2); }

void find_registered(u32 t) {
	if (number_misplaced(t)) return;
	for (u32 g = 0; g < number.groups; g++)
		for (u32 r = heads[number.count[g]]; r; r = next[r]) {
			const struct row *row = &rows[r - 1];
			if (row->shape != number.shape[g] || !kinds[row->kind].on || !parted(row->seps, g + 1)) continue;
			if (!row->check(number.digit) || !number_ends(number.end[g])) continue;
			if (!row->words || word_before(t, row->words, 4) || (row->words == mynumber && my_number(t))) offer(row->kind, number.end[g], 0);
		}
}
