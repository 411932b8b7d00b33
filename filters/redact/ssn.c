// US social security numbers: AAA-GG-SSSS; area not 000, 666 or 9xx, group not 00, serial not 0000 (Social Security
// Administration, numbers since 2011). With spaces, or with nothing between, only behind a word that names it.
#include "redact.h"

static int parts_valid(u32 t, u32 group, u32 serial) {
	if (at(t) == '9' || (at(t) == '0' && at(t + 1) == '0' && at(t + 2) == '0')) return 0;
	if (at(t) == '6' && at(t + 1) == '6' && at(t + 2) == '6') return 0;
	if (at(group) == '0' && at(group + 1) == '0') return 0;
	return !(at(serial) == '0' && at(serial + 1) == '0' && at(serial + 2) == '0' && at(serial + 3) == '0');
}

static int digits(u32 i, u32 n) {
	for (u32 k = 0; k < n; k++)
		if (!digit_at(i + k)) return 0;
	return 1;
}

static int named(u32 t) { return word_before(t, "ssn ssns social security", 4); }

void find_ssn(u32 t) {
	u32 before = behind(t, 1);
	if ((before == '-' || before == '.') && word_byte(behind(t, 2))) return; // the end of a longer number
	if (!digits(t, 3)) return;
	u32 sep = at(t + 3), wide = sep == '-' || sep == ' ';
	u32 group = t + 3 + wide, serial = group + 2 + wide, end = serial + 4;
	if (!digits(group, 2) || (wide && at(group + 2) != sep) || !digits(serial, 4)) return;
	if (word_byte(at(end)) || (at(end) == '-' && word_byte(at(end + 1)))) return;
	if (parts_valid(t, group, serial) && (sep == '-' || named(t))) offer(SSN, end, 0);
}
