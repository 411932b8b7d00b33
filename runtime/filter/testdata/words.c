/* words: a well-behaved filter, small enough to see that it is right.
 *
 *   a word with one '@' inside it       redact "email"
 *   four digits after "pin "            redact "pin" (needs left context)
 *   << ... >>                           redact_open / redact_close "block" (needs the continuation)
 *   ~                                   replace by "TILDE"
 *   %                                   a label "percent"
 *   !reject!                            a verdict
 */
#include "sluice.h"

static byte buffer[65600 + 64];

EXPORT(sluice_abi_v1) int abi(void) { return 3; }
EXPORT(alloc) byte *alloc(u32 n) { return n <= sizeof buffer ? buffer : 0; }

static int word(byte c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '@' || c == '.' || c == '-' || c == '!';
}

/* Everything but what words are made of, and the signs above: a word is held back until its end is seen. */
static byte classes[256];
EXPORT(byte_classes) const byte *byte_classes(void) {
  for (u32 i = 0; i < 256; i++) classes[i] = word((byte)i) || i == '<' || i == '~' || i == '%';
  return classes;
}

static int same(const byte *p, const char *s, u32 n) {
  for (u32 i = 0; i < n; i++)
    if (p[i] != (byte)s[i]) return 0;
  return 1;
}

static void judge(const byte *p, u32 from, u32 to) {
  u32 at = 0, n = to - from, digits = 0;
  for (u32 i = from; i < to; i++) {
    if (p[i] == '@') at++;
    if (p[i] >= '0' && p[i] <= '9') digits++;
  }
  if (at == 1 && p[from] != '@' && p[to - 1] != '@') redact(from, to, "email", 5);
  else if (digits == 4 && n == 4 && from >= 4 && same(p + from - 4, "pin ", 4)) redact(from, to, "pin", 3);
  else if (n == 8 && same(p + from, "!reject!", 8)) reject("unwanted", 8, "unwanted words", 14);
}

EXPORT(on_text) i64 on_text(byte *p, u32 n, u32 flags, i64 state) {
  u32 i = LEFT(flags);
  int open = state == 1;
  while (i < n) {
    if (open) {
      if (p[i] != '>') { i++; continue; }
      if (i + 1 == n) {
        if (!END(flags)) break;
        i++;
        continue;
      }
      if (p[i + 1] == '>') { i += 2; redact_close(i); open = 0; } else i++;
      continue;
    }
    if (p[i] == '<') {
      if (i + 1 == n && !END(flags)) break;
      if (i + 1 < n && p[i + 1] == '<') { redact_open(i, "block", 5); open = 1; i += 2; } else i++;
      continue;
    }
    if (word(p[i])) {
      u32 from = i;
      while (i < n && word(p[i])) i++;
      if (i == n && !END(flags)) { i = from; break; }
      judge(p, from, i);
      continue;
    }
    if (p[i] == '~') replace(i, i + 1, "TILDE", 5);
    if (p[i] == '%') label("percent", 7, "true", 4);
    i++;
  }
  if (END(flags) && open) redact_close(n);
  next_state(open);
  return i;
}
