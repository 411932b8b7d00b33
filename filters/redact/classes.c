// The table of byte classes that the scan runs on, and the kinds.
#include "redact.h"

u16 classes[256] = {
	[0 ... 31] = C_DELIM,
	[' '] = C_DELIM | C_NAMED, ['"'] = C_DELIM | C_NAMED, ['`'] = C_DELIM | C_NAMED, ['='] = C_DELIM | C_NAMED,
	['>'] = C_DELIM | C_NAMED, [']'] = C_DELIM | C_NAMED,
	[','] = C_DELIM, [';'] = C_DELIM, ['|'] = C_DELIM, ['<'] = C_DELIM, [')'] = C_DELIM, ['['] = C_DELIM, ['{'] = C_DELIM, ['}'] = C_DELIM,
	['('] = C_DELIM | C_HOT,
	['0' ... '9'] = C_DIGIT | C_HOT | C_BASE64,
	['A' ... 'Q'] = C_ALPHA | C_BASE64, ['R'] = C_ALPHA | C_BASE64 | C_NAMED, ['S' ... 'Z'] = C_ALPHA | C_BASE64,
	['a' ... 'q'] = C_ALPHA | C_LOWER | C_BASE64, ['r'] = C_ALPHA | C_LOWER | C_BASE64 | C_NAMED, ['s' ... 'z'] = C_ALPHA | C_LOWER | C_BASE64,
	['@'] = C_HOT | C_ASK,
	['-'] = C_HOT | C_UNDER | C_LOCAL | C_BASE64,
	['+'] = C_HOT | C_LOCAL | C_BASE64,
	['_'] = C_UNDER | C_LOCAL | C_BASE64,
	['/'] = C_BASE64, [':'] = C_NAMED, ['\\'] = C_ASK | C_NAMED,
	['.'] = C_LOCAL, ['%'] = C_LOCAL | C_ASK, ['\''] = C_LOCAL | C_NAMED,
	[0x80 ... 0xff] = C_ASK,
};

#define KIND(word) {word, sizeof(word) - 1, 1, 1}
#define RARE(word) {word, sizeof(word) - 1, 0, 0} // only where it is asked for
struct kind kinds[BUILTIN + MAX_CUSTOM] = {
	[PRIVATE_KEY] = KIND("private_key"), [JWT] = KIND("jwt"), [SECRET] = KIND("secret"), [EMAIL] = KIND("email"),
	[CARD] = KIND("card"), [IBAN] = KIND("iban"), [SSN] = KIND("ssn"), [IP] = KIND("ip"), [MAC] = KIND("mac"),
	[CRYPTO] = KIND("crypto_address"), [PHONE] = KIND("phone"),
	[ABA] = KIND("aba_routing"), [BIC] = KIND("bic"), [VIN] = KIND("vin"), [IMEI] = KIND("imei"), [LEI] = RARE("lei"),
	[PASSPORT] = KIND("passport"),
	[US_ITIN] = KIND("us_itin"), [US_EIN] = KIND("us_ein"), [US_NPI] = KIND("us_npi"), [US_DEA] = KIND("us_dea"),
	[UK_NINO] = KIND("uk_nino"), [UK_NHS] = KIND("uk_nhs"), [CA_SIN] = KIND("ca_sin"),
	[AU_TFN] = KIND("au_tfn"), [AU_ABN] = RARE("au_abn"), [AU_MEDICARE] = KIND("au_medicare"),
	[IN_AADHAAR] = KIND("in_aadhaar"), [IN_PAN] = KIND("in_pan"),
	[FR_NIR] = KIND("fr_nir"), [DE_TAX_ID] = KIND("de_tax_id"), [ES_NIF] = KIND("es_nif"), [IT_CF] = KIND("it_codice_fiscale"),
	[NL_BSN] = KIND("nl_bsn"), [BE_RRN] = KIND("be_rrn"), [PL_PESEL] = KIND("pl_pesel"), [SE_PNR] = KIND("se_personnummer"),
	[FI_HETU] = KIND("fi_hetu"), [NO_FNR] = KIND("no_fodselsnummer"), [DK_CPR] = KIND("dk_cpr"), [CH_AHV] = KIND("ch_ahv"),
	[BR_CPF] = KIND("br_cpf"), [BR_CNPJ] = RARE("br_cnpj"), [CN_RIC] = KIND("cn_resident_id"), [KR_RRN] = KIND("kr_rrn"),
	[ZA_ID] = KIND("za_id"), [MX_CURP] = KIND("mx_curp"), [TR_TCKN] = KIND("tr_tckn"), [JP_MYNUMBER] = KIND("jp_my_number"),
	[SG_NRIC] = KIND("sg_nric"), [IE_PPS] = KIND("ie_pps"), [PT_NIF] = KIND("pt_nif"), [RO_CNP] = KIND("ro_cnp"),
	[CZ_RC] = KIND("cz_rodne_cislo"), [HK_ID] = KIND("hk_id"), [TW_ID] = KIND("tw_id"), [IL_ID] = KIND("il_id"),
	[AR_CUIT] = KIND("ar_cuit"), [TH_ID] = KIND("th_id"), [HR_OIB] = KIND("hr_oib"),
};
u32 kinds_len = BUILTIN;

// byte_classes: 0 for the delimiters, at which nothing begins and behind which nothing goes on that has not begun; where nothing
// is held back they settle at once. But = may begin a value, ( a phone number, and custom kinds anything.
SLUICE_EXPORT(byte_classes) const u8 *byte_classes(void) {
	static u8 table[256];
	for (u32 c = 0; c < 256; c++) table[c] = !(classes[c] & C_DELIM) || (classes[c] & (C_HOT | C_CUSTOM)) || c == '=';
	return table;
}
