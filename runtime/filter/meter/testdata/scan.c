/* A guest for tests and benchmarks: the kinds of code that filters are made of.
   Built by: clang-14 --target=wasm32 -O2 -nostdlib -ffreestanding -mbulk-memory
             -Wl,--no-entry -o scan.wasm scan.c */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EXPORT(name) __attribute__((export_name(#name)))

static u8 text[1 << 16], copy[1 << 16];
static u32 table[256];

EXPORT(buffer) u8 *buffer(void) { return text; }

static int word(u8 c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

/* emails counts what looks like an address: a trigger scan with a look around. */
EXPORT(emails) u32 emails(u32 n) {
	u32 found = 0;
	for (u32 i = 0; i < n; i++) {
		if (text[i] != '@') continue;
		u32 from = i, to = i + 1;
		while (from > 0 && word(text[from - 1])) from--;
		while (to < n && word(text[to])) to++;
		if (from < i && to > i + 1) found += (to - from) << 8 | 1;
	}
	return found;
}

/* luhn sums the digits of the text as card numbers are checked. */
EXPORT(luhn) u32 luhn(u32 n) {
	u32 sum = 0, odd = 0;
	for (u32 i = n; i > 0; i--) {
		u32 d = text[i - 1] - '0';
		if (d > 9) continue;
		if (odd) d = d * 2 > 9 ? d * 2 - 9 : d * 2;
		odd = !odd;
		sum += d;
	}
	return sum;
}

/* crc is table-driven, the table made on the way. */
EXPORT(crc) u32 crc(u32 n) {
	if (!table[1])
		for (u32 i = 0; i < 256; i++) {
			u32 c = i;
			for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
			table[i] = c;
		}
	u32 c = ~0u;
	for (u32 i = 0; i < n; i++) c = table[(c ^ text[i]) & 255] ^ (c >> 8);
	return ~c;
}

/* fib calls and calls. */
EXPORT(fib) __attribute__((noinline)) u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

/* copies uses bulk operations. */
EXPORT(copies) u32 copies(u32 n, u32 times) {
	u32 sum = 0;
	for (u32 i = 0; i < times; i++) {
		__builtin_memcpy(copy, text, n);
		__builtin_memset(copy, (int)i, n / 2);
		sum += copy[n - 1] + copy[0];
	}
	return sum;
}

/* states switches over a state for each byte and calls through a table. */
static u32 add(u32 a, u32 b) { return a + b; }
static u32 mix(u32 a, u32 b) { return a * 31 ^ b; }
static u32 (*volatile ops[])(u32, u32) = {add, mix};

EXPORT(states) u32 states(u32 n) {
	u32 state = 0, out = 7;
	for (u32 i = 0; i < n; i++) {
		switch (text[i] & 7) {
		case 0: state = 1; break;
		case 1: if (state) out ^= i;
		case 2: out += 3; break;
		case 3: state = 2; continue;
		case 4: out = ops[state & 1](out, i); break;
		case 5: if (out & 1) return out; break;
		default: out = out << 1 | out >> 31;
		}
	}
	return out;
}

EXPORT(divide) u64 divide(u64 a, u64 b) { return a / b + a % b; }
EXPORT(halve) double halve(double a, u32 n) { while (n--) a = a / 2 + __builtin_sqrt(a); return a; }
EXPORT(grow) u32 grow(u32 pages) { return __builtin_wasm_memory_grow(0, pages); }
