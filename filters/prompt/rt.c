// What the compiler may call for copies and zeroing, as there is no libc.
typedef unsigned long size_t;

void *memset(void *to, int byte, size_t n) {
	for (unsigned char *p = to; n--;) *p++ = (unsigned char)byte;
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
	unsigned char *p = to;
	for (const unsigned char *q = from; n--;) *p++ = *q++;
	return to;
}
