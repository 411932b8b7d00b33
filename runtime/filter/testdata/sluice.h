/* What the test guests need of the native ABI, version 1. */
#define IMPORT(name) __attribute__((import_module("sluice"), import_name(#name))) int name
#define EXPORT(name) __attribute__((export_name(#name)))

typedef unsigned char byte;
typedef unsigned u32;
typedef long long i64;

IMPORT(redact)(u32 start, u32 end, const char *kind, u32 n);
IMPORT(redact_open)(u32 start, const char *kind, u32 n);
IMPORT(redact_close)(u32 end);
IMPORT(replace)(u32 start, u32 end, const void *text, u32 n);
IMPORT(next_state)(i64 word);
IMPORT(set)(const char *name, u32 n, const void *json, u32 m);
IMPORT(message)(u32 where, u32 role, const void *text, u32 n);
IMPORT(label)(const void *key, u32 n, const void *value, u32 m);
IMPORT(reject)(const void *code, u32 n, const void *message, u32 m);
IMPORT(get)(const void *key, u32 n, void *buf, u32 cap);
IMPORT(log)(u32 level, const void *text, u32 n);

#define LEFT(flags) (((flags) >> 16) & 255)
#define END(flags) ((flags) & 1)
