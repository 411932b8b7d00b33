// International bank account numbers: ISO 13616. Two letters, two check digits, the country's length (SWIFT's IBAN registry),
// the remainder by 97 being 1; in one run or in groups parted by single spaces or hyphens.
#include "redact.h"

// Country and length, four bytes each.
static const char lengths[] =
	"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27"
	"GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22"
	"MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28"
	"TL23TN24TR26UA29VA22VG24XK20YE30";

static u32 country_length(u32 a, u32 b) {
	for (u32 i = 0; i + 4 < sizeof lengths; i += 4)
		if (a == (u8)lengths[i] && b == (u8)lengths[i + 1]) return (u32)(lengths[i + 2] - '0') * 10 + (u32)(lengths[i + 3] - '0');
	return 0;
}

static u32 upper(u32 c) { return c - 'a' < 26 ? c - 32 : c; }

void find_iban(u32 t) {
	if (!digit_at(t + 2) || !digit_at(t + 3)) return;
	u32 want = country_length(upper(at(t)), upper(at(t + 1)));
	if (!want) return;
	u32 i = t + 4, r = 0;
	for (u32 n = 4; n < want; n++, i++) {
		if ((at(i) == ' ' || at(i) == '-') && (class_at(i + 1) & C_ALNUM)) i++;
		if (!(class_at(i) & C_ALNUM)) return;
		r = remainder97(r, upper(at(i)));
	}
	for (u32 k = 0; k < 4; k++) r = remainder97(r, upper(at(t + k))); // country and check digits count last
	if (r == 1 && !word_byte(at(i))) offer(IBAN, i, 0);
}
