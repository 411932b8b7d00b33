// What the compiler may call for copies and zeroing, as there is no libc. Eight bytes at a time: the meter counts each
// step.
typedef unsigned long size_t;
typedef unsigned long long word __attribute__((aligned(1), may_alias));

void *memset(void *to, int byte, size_t n) {
	unsigned char *p = to;
	word all = 0x0101010101010101ull * (unsigned char)byte;
	for (; n >= 8; n -= 8, p += 8) *(word *)p = all;
	while (n--) *p++ = (unsigned char)byte;
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
	unsigned char *p = to;
	const unsigned char *q = from;
	for (; n >= 8; n -= 8, p += 8, q += 8) *(word *)p = *(const word *)q;
	while (n--) *p++ = *q++;
	return to;
}
