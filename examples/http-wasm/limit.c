/* limit: an http-wasm handler in C. It refuses request bodies longer than a number of bytes, its whole configuration.
   Nothing here is Sluice's own: it is the handler ABI of http-wasm.io, and runs on any host of it.

   clang-14 --target=wasm32 -O2 -nostdlib -ffreestanding -Wl,--no-entry -o limit.wasm limit.c */
#define IMPORT(name) __attribute__((import_module("http_handler"), import_name(#name))) extern
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT(get_config) unsigned get_config(void *buf, unsigned limit);
IMPORT(enable_features) unsigned enable_features(unsigned features);
IMPORT(read_body) unsigned long long read_body(unsigned kind, void *buf, unsigned limit);
IMPORT(write_body) void write_body(unsigned kind, const void *buf, unsigned n);
IMPORT(set_status_code) void set_status_code(unsigned status);

enum { REQUEST, RESPONSE };
enum { BUFFER_REQUEST = 1 };

static char buf[4096];
static unsigned most;

EXPORT(_initialize) void initialize(void) {
  unsigned n = get_config(buf, sizeof buf);
  if (n == 0 || n > 9) __builtin_trap(); /* no number: the host says that the module trapped, and does not load it */
  for (unsigned i = 0; i < n; i++) {
    if (buf[i] < '0' || buf[i] > '9') __builtin_trap();
    most = most * 10 + (unsigned)(buf[i] - '0');
  }
  enable_features(BUFFER_REQUEST); /* the request is wanted by others after this handler has read it */
}

EXPORT(handle_request) unsigned long long handle_request(void) {
  static const char why[] = "the request is too long";
  unsigned long long got = 0, size = 0;
  while (!(got >> 32)) { /* the upper half is 1 at the end of the body */
    got = read_body(REQUEST, buf, sizeof buf);
    size += (unsigned)got;
  }
  if (size <= most) return 1; /* go on */
  set_status_code(413);
  write_body(RESPONSE, why, sizeof why - 1);
  return 0; /* answered here */
}

EXPORT(handle_response) void handle_response(unsigned context, unsigned is_error) { (void)context, (void)is_error; }
