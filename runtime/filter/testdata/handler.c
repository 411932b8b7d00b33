/* handler: an http-wasm handler that does what its configuration says: a word for handle_request, and after a slash one
   for handle_response. What it finds out it reports as the only message of a new request, or of a new answer. */
#include "handler.h"

static byte config[64], buf[70000], report[4096];
static u32 config_len, reported;
static volatile u32 sink;
static u32 calls;               /* what it tries to remember over exchanges */
static byte remembered[64];
static byte big[1 << 16];

static __attribute__((noinline)) u32 size(const char *s) { u32 n = 0; while (s[n]) n++; return n; }

static __attribute__((noinline)) int equal(const byte *p, const char *s, u32 n) {
  for (u32 i = 0; i < n; i++) if (p[i] != (byte)s[i]) return 0;
  return 1;
}

/* request and response tell whether a word is the configured one. */
static __attribute__((noinline)) int request(const char *word) {
  u32 n = size(word);
  return config_len >= n && equal(config, word, n) && (config_len == n || config[n] == '/');
}
static __attribute__((noinline)) int response(const char *word) {
  u32 n = size(word);
  return config_len > n && config[config_len - n - 1] == '/' && equal(config + config_len - n, word, n);
}

static __attribute__((noinline)) void put(const byte *p, u32 n) {
  for (u32 i = 0; i < n && reported < sizeof report; i++) {
    byte c = p[i];
    report[reported++] = c == 0 ? ';' : c == '"' || c == '\\' || c < ' ' ? '?' : c;
  }
}
static __attribute__((noinline)) void say(const char *s) { put((const byte *)s, size(s)); }
static __attribute__((noinline)) void number(u64 n) {
  byte digits[20];
  u32 i = sizeof digits;
  do digits[--i] = '0' + n % 10; while (n /= 10);
  put(digits + i, sizeof digits - i);
  say(" ");
}
static __attribute__((noinline)) void pair(u64 v) { number(v >> 32); number((u32)v); }

static __attribute__((noinline)) void send(u32 kind) {
  const char *head = kind == REQUEST ? "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"" : "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"";
  const char *tail = kind == REQUEST ? "\"}]}" : "\"},\"finish_reason\":\"stop\"}]}";
  if (kind == REQUEST && request("write_stream")) write_body(kind, "{\"stream\":true,", 15), head++;
  write_body(kind, head, size(head));
  write_body(kind, report, reported);
  write_body(kind, tail, size(tail));
}

static __attribute__((noinline)) void mark(void) { for (u32 i = 0; i < 256; i++) buf[i] = '#'; }

/* value reports a value and whether the host keeps to the limit: nothing is written where it is too small, and never
   anything behind it. */
static __attribute__((noinline)) void value(u32 (*get)(void *, u32)) {
  mark();
  u32 n = get(buf, 0);
  number(n);
  if (n) number(get(buf, n - 1));
  if (buf[0] != '#') say("wrote too early ");
  number(get(buf, n));
  put(buf, n);
  if (buf[n] != '#') say(" wrote too much");
}

static __attribute__((noinline)) void values(const char *name) {
  u32 n = size(name);
  mark();
  u64 all = get_header_values(REQUEST, name, n, buf, 0);
  pair(all);
  if ((u32)all && get_header_values(REQUEST, name, n, buf, (u32)all - 1) != all) say("another length ");
  if (buf[0] != '#') say("wrote too early ");
  get_header_values(REQUEST, name, n, buf, (u32)all);
  put(buf, (u32)all);
  if (buf[(u32)all] != '#') say(" wrote too much");
}

static __attribute__((noinline)) void names(u32 kind) {
  mark();
  u64 all = get_header_names(kind, buf, 0);
  pair(all);
  if ((u32)all) get_header_names(kind, buf, (u32)all - 1);
  if (buf[0] != '#') say("wrote too early ");
  get_header_names(kind, buf, (u32)all);
  put(buf, (u32)all);
  if (buf[(u32)all] != '#') say(" wrote too much");
}

static __attribute__((noinline)) void body(u32 kind, u32 step) {
  for (u64 got = 0; !(got >> 32);) {
    got = read_body(kind, buf, step);
    put(buf, (u32)got);
    say("|");
  }
  number(read_body(kind, buf, step) >> 32);
}

#define SET(kind, name, text) set_header_value(kind, name, sizeof name - 1, text, sizeof text - 1)
#define ADD(kind, name, text) add_header_value(kind, name, sizeof name - 1, text, sizeof text - 1)
#define REMOVE(kind, name) remove_header(kind, name, sizeof name - 1)
#define WRITE(kind, text) write_body(kind, text, sizeof text - 1)

EXPORT(_initialize) void initialize(void) {
  config_len = get_config(config, sizeof config);
  if (request("asks")) enable_features(BUFFER_REQUEST | BUFFER_RESPONSE);
  if (request("early")) get_method(buf, 8);
  if (request("start_spin")) for (;;) sink++;
  if (request("start_trap")) __builtin_trap();
}

/* misbehave does what no handler should; it returns when there is nothing like it to do. */
static void misbehave(void) {
  if (request("spin")) for (;;) sink++;
  if (request("spin_on_short") && (u32)read_body(REQUEST, buf, sizeof buf) < 100) for (;;) sink++; /* not in the warm-up */
  if (request("trap")) __builtin_trap();
  if (request("fill")) for (;;) __builtin_memset(big, (int)sink++, sizeof big);
  if (request("grow")) while (__builtin_wasm_memory_grow(0, 16) != (u32)-1) {}
  if (request("calls")) for (;;) get_method(buf, 8);
  if (request("logs")) for (u32 i = 0; i < 1000; i++) http_log(2, "line\r\nforged", 12);
  if (request("output")) for (;;) write_body(REQUEST, big, sizeof big);
  if (request("headers")) for (;;) ADD(REQUEST, "x-a", "b");
  if (request("bigheader")) for (;;) set_header_value(REQUEST, "x-a", 3, big, sizeof big);
  if (request("method_change")) set_method("GET", 3);
  if (request("uri_change")) set_uri("/admin", 6);
  if (request("uri_empty")) set_uri(0, 0);
  if (request("empty_name")) get_header_values(REQUEST, "", 0, buf, 8);
  if (request("kind")) get_header_names(4, buf, 8);
  if (request("body_kind")) read_body(2, buf, 8);
  if (request("read_zero")) read_body(REQUEST, buf, 0);
  if (request("read_outside")) read_body(REQUEST, (void *)0xfffffff0u, 8);
  if (request("get_outside")) get_uri((void *)0xfffffff0u, 64);
  if (request("write_outside")) write_body(REQUEST, (void *)0xfffffff0u, 64);
  if (request("log_outside")) http_log(2, (void *)0xfffffff0u, 64);
  if (request("set_trailer")) SET(REQUEST_TRAILERS, "x-a", "b");
  if (request("add_trailer")) ADD(RESPONSE_TRAILERS, "x-a", "b");
  if (request("no_status")) set_status_code(42);
  if (request("nothing_written")) write_body(REQUEST, 0, 0);
  if (request("no_json")) WRITE(REQUEST, "hello");
  if (request("twice")) WRITE(REQUEST, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"mess\\u0061ges\":[]}");
  if (request("model")) WRITE(REQUEST, "{\"model\":\"other\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
  if (request("stream")) WRITE(REQUEST, "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
  if (request("picture")) WRITE(REQUEST, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}]}]}");
  if (request("hosted")) WRITE(REQUEST, "{\"model\":\"m\",\"store\":true,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
}

static void inspect(void) {
  if (request("method")) value(get_method);
  if (request("uri")) value(get_uri);
  if (request("protocol")) value(get_protocol_version);
  if (request("source")) value(get_source_addr);
  if (request("config")) value(get_config);
  if (request("status")) number(get_status_code());
  if (request("features")) number(enable_features(BUFFER_REQUEST | TRAILERS));
  if (request("names")) names(REQUEST);
  if (request("accept")) values("AcCePt");
  if (request("absent")) values("x-none");
  if (request("secrets")) { values("authorization"); values("cookie"); values("x-api-key"); values("x-forwarded-for"); values("host"); }
  if (request("trailers")) { names(REQUEST_TRAILERS); names(RESPONSE_TRAILERS); number(get_header_values(REQUEST_TRAILERS, "a", 1, buf, 8)); }
  if (request("same")) { set_method("POST", 4); set_uri("/v1/chat/completions", 20); say("same"); }
  if (request("body")) body(REQUEST, 16);
  if (request("whole")) body(REQUEST, sizeof buf);
  if (request("levels")) for (int i = -1; i < 5; i++) number(log_enabled(i));
  if (request("log")) { for (int i = -1; i < 4; i++) http_log(i, "a constant", 10); body(REQUEST, 16); http_log(2, buf, 16); say("logged"); }
  if (request("edit")) {
    SET(REQUEST, "X-New", "1"); ADD(REQUEST, "x-new", "2"); SET(REQUEST, "Accept", "a/b"); REMOVE(REQUEST, "USER-AGENT");
    names(REQUEST); values("x-new"); values("accept");
  }
  if (request("answers")) { SET(RESPONSE, "x-a", "b"); names(RESPONSE); }
  if (request("remember")) {
    number(calls++);
    put(remembered, sizeof remembered);
    read_body(REQUEST, remembered, sizeof remembered);
  }
  if (request("write") || request("write_stream")) say("ana@x.org pin 1234");
}

static u64 refuse(u32 status, const byte *text, u32 n) {
  set_status_code(status);
  SET(RESPONSE, "www-authenticate", "Basic");
  if (n) write_body(RESPONSE, text, n);
  return 0;
}

EXPORT(handle_request) u64 on_request(void) {
  static const char why[] = "not at this hour";
  reported = 0;
  misbehave();
  if (request("403")) return refuse(403, (const byte *)why, sizeof why - 1);
  if (request("401")) return refuse(401, 0, 0);
  if (request("200")) return refuse(200, (const byte *)why, sizeof why - 1);
  if (request("echo")) { u32 n = read_body(REQUEST, buf, 64); return refuse(400, buf, n); }
  if (request("413")) return refuse(413, 0, 0);
  if (request("next2")) return 2;
  if (request("dynamic") || request("keep") || request("keep_grown")) enable_features(BUFFER_RESPONSE);
  if (request("keep")) { u32 n = read_body(REQUEST, remembered, sizeof remembered); return (u64)n << 32 | 1; }
  if (request("keep_much")) { u32 n = read_body(REQUEST, buf, sizeof buf); for (u32 i = 0; i < sizeof big; i++) big[i] = n; return 1; }
  if (request("keep_grown")) { byte *p = (byte *)(__builtin_wasm_memory_grow(0, 1) << 16); p[9] = 'G'; return (u64)(u32)p << 32 | 1; }
  inspect();
  if (reported) send(REQUEST);
  return (u64)7 << 32 | 1;
}

EXPORT(handle_response) void on_response(u32 ctx, u32 is_error) {
  reported = 0;
  if (response("error") && is_error && ctx == 7 && get_status_code() == 502) http_log(2, "no answer came", 14);
  if (response("ctx")) { number(ctx); number(is_error); number(get_status_code()); }
  if (response("kept")) put(remembered, ctx);
  if (response("grown")) put((byte *)ctx + 9, 1);
  if (response("body")) body(RESPONSE, 4096);
  if (response("names")) names(RESPONSE);
  if (response("asked")) body(REQUEST, 4096);
  if (response("mail")) say("ana@x.org");
  if (response("403")) { set_status_code(403); return; }
  if (response("204")) { set_status_code(204); return; }
  if (response("trap")) __builtin_trap();
  if (response("spin")) for (;;) sink++;
  if (response("late")) SET(REQUEST, "x-a", "b");
  if (response("late_body")) WRITE(REQUEST, "{}");
  if (response("no_json")) WRITE(RESPONSE, "hello");
  if (response("set")) SET(RESPONSE, "x-a", "b");
  if (response("uri")) value(get_uri);
  if (reported) send(RESPONSE);
}
