/* hostile: does what a text tells it to: "!" and one character, at the text's beginning. */
#include "sluice.h"

static byte buffer[65600 + 64];
static byte memory[64];          /* what it tries to remember */
static u32 remembered;
static volatile u32 sink;
static byte bomb[1 << 16];

EXPORT(sluice_abi_v1) int abi(void) { return 15; }

static u32 bad_alloc;            /* what alloc does next: 1 null, 2 out of memory's range, 3 calls the host */
EXPORT(alloc) byte *alloc(u32 n) {
  if (bad_alloc == 1) return 0;
  if (bad_alloc == 2) return (byte *)0xffffff00u;
  if (bad_alloc == 3) log(1, "alloc", 5);
  return n <= sizeof buffer ? buffer : 0;
}

EXPORT(on_config) int on_config(const byte *p, u32 n) {
  if (n > 2 && p[0] == '!') {
    if (p[1] == 's') for (;;) sink++;
    log(3, "no such setting\r\nERROR forged", 29);
    return 7;
  }
  log(1, "configured", 10);
  return 0;
}

static u32 deep(u32 n) { volatile byte pad[64]; pad[n % 64] = (byte)n; return n ? deep(n + 1) + pad[0] + 1 : 0; }

EXPORT(on_text) i64 on_text(byte *p, u32 n, u32 flags, i64 state) {
  u32 left = LEFT(flags);
  if (n < left + 2 || p[left] != '!') return n;
  switch (p[left + 1]) {
  case 's': for (;;) sink++;
  case 'n': for (u32 i = 0; i < 1000000; i++) sink++; return n; /* for a while */
  case 't': __builtin_trap();
  case 'o': return deep(1);
  case 'g': while (__builtin_wasm_memory_grow(0, 16) != (u32)-1) {} return n;
  case 'm': __builtin_wasm_memory_grow(0, 1); return n;
  case 'f': for (;;) __builtin_memset(bomb, (int)sink++, sizeof bomb);
  case 'h': for (;;) label("k", 1, "v", 1);
  case 'w': for (;;) get("operation", 9, bomb, 16);
  case 'r': redact(left, n + 1, "email", 5); return n;
  case 'l': redact(left, left + 2, "email", 5); redact(left + 1, left + 3, "email", 5); return n;
  case 'v': redact(left + 2, left + 1, "email", 5); return n;
  case 'd': redact(left + 2, left + 3, "email", 5); redact(left, left + 1, "email", 5); return n;
  case 'e': redact(left, left, "email", 5); return n;
  case 'p': redact(left, n, "email", 5); return n - 1;
  case 'u': redact(left + 2, left + 3, "email", 5); return n; /* third character is of two bytes */
  case 'U': return left + 3;
  case '+': return n + 1;
  case '-': return n - 1;
  case 'O': redact_open(left, "block", 5); return n;
  case 'C': redact_close(n); return n;
  case 'D': redact_open(left, "block", 5); redact_open(left, "block", 5); return n;
  case 'k': redact(left, left + 1, "No Kind", 7); return n;
  case 'B': for (;;) replace(left, left, bomb, sizeof bomb);
  case 'b': bomb[0] = 0xff; replace(left, left, bomb, 1); return n;
  case 'L': for (u32 i = 0; i < 100000; i++) log(2, "line\r\nforged", 12); return n;
  case 'c': log(1, p, n); return n;
  case 'K': label("a\r\nb", 4, "true", 4); return n;
  case 'S': label("redacted.email", 14, "0", 1); return n;
  case 'G': get("principal.tenant", 16, bomb, 16); return n;
  case 'x': message(0, 1, "x", 1); return n;
  case 'P': log(1, (void *)0xfffffff0u, 100); return n;
  case 'R': reject("no", 2, p, n); return n;
  case 'q': reject("no", 2, "not here", 8); return n;
  case 'a': bad_alloc = p[left + 2] - '0'; return n;
  case 'M': /* tell what is remembered, then remember */
    if (remembered) label("remembered", 10, "true", 4);
    for (u32 i = 0; i < sizeof memory && i < n; i++) memory[i] = p[i];
    remembered = n;
    return n;
  }
  return n;
}

static int told(const byte *p, u32 n, byte what) {
  for (u32 i = 0; i + 1 < n; i++)
    if (p[i] == '!' && p[i + 1] == what) return 1;
  return 0;
}

EXPORT(on_request) int on_request(const byte *p, u32 n) {
  if (told(p, n, '1')) message(0, 1, "Be brief, ana@example.com.", 26);
  if (told(p, n, '2')) message(1, 2, "Thanks.", 7);
  if (told(p, n, '3')) set("temperature", 11, "0.5", 3);
  if (told(p, n, '4')) set("model", 5, "\"other\"", 7);
  if (told(p, n, '5')) set("stop", 4, "not json", 8);
  if (told(p, n, '6')) return 1;
  if (told(p, n, '7')) redact(0, 1, "email", 5);
  if (told(p, n, '8')) message(2, 1, "x", 1);
  return 0;
}

EXPORT(on_response) int on_response(const byte *p, u32 n) {
  if (told(p, n, '9')) reject("bad_answer", 10, "a bad answer", 12);
  return 0;
}
