// Hardware addresses: EUI-48 (IEEE 802) as six pairs of hex digits parted by colons or by hyphens. Not the empty address and
// not the broadcast one.
#include "redact.h"

static int hex(u32 c) { return (classes[c] & C_DIGIT) || (c | 32) - 'a' < 6; }

void find_mac(u32 t) {
	u32 sep = at(t + 2), i = t, zeros = 0, ones = 0, before = behind(t, 1);
	if ((sep != ':' && sep != '-') || (before == sep && word_byte(behind(t, 2)))) return;
	for (u32 pair = 0; pair < 6; pair++, i += 2) {
		if (pair && at(i++) != sep) return;
		u32 a = at(i), b = at(i + 1);
		if (!hex(a) || !hex(b)) return;
		zeros += a == '0' && b == '0', ones += (a | 32) == 'f' && (b | 32) == 'f';
	}
	if (zeros == 6 || ones == 6 || word_byte(at(i)) || (at(i) == sep && word_byte(at(i + 1)))) return;
	offer(MAC, i, 0);
}
