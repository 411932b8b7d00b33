// memory.c: the functions that compilers call for large assignments and initialisers, where there is no libc. They are
// linked in only where they are used.
typedef __SIZE_TYPE__ size;

void *memcpy(void *to, const void *from, size n) {
	unsigned char *d = to;
	const unsigned char *s = from;
	while (n--) *d++ = *s++;
	return to;
}

void *memmove(void *to, const void *from, size n) {
	unsigned char *d = to;
	const unsigned char *s = from;
	if (d <= s) return memcpy(to, from, n);
	while (n--) d[n] = s[n];
	return to;
}

void *memset(void *to, int byte, size n) {
	unsigned char *d = to;
	while (n--) *d++ = (unsigned char)byte;
	return to;
}

int memcmp(const void *left, const void *right, size n) {
	const unsigned char *a = left, *b = right;
	for (; n; n--, a++, b++)
		if (*a != *b) return *a - *b;
	return 0;
}
