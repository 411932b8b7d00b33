// sluice.h: the native filter ABI, version 1, for C. One header, no library, no libc needed.
//
// Build (Debian: apt-get install clang-14 lld-14):
//   clang-14 --target=wasm32 -ffreestanding -nostdlib -O2 -Ipath/to/sdk/c filter.c -o filter.wasm
//            -Wl,--no-entry -Wl,--strip-all
//
// A filter defines sluice_abi_v1 and the hooks it names there, each with SLUICE_EXPORT, and alloc, with SLUICE_ARENA or its
// own. The contract is the native ABI, version 1 (filters/abi in Sluice's repository).
//
// A filter may also export byte_classes, () -> u8[256]: 0 for each byte of text that can neither be part of a finding nor
// change what on_text does next. Where nothing is held back, the host lets text of such bytes alone pass without a call.
#ifndef SLUICE_H
#define SLUICE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

#ifdef __wasm__
#define SLUICE_EXPORT(name) __attribute__((export_name(#name)))
#define SLUICE_IMPORT(name) __attribute__((import_module("sluice"), import_name(#name)))
#else // a native build for tests links its own host
#define SLUICE_EXPORT(name)
#define SLUICE_IMPORT(name)
#endif

// What sluice_abi_v1 returns: the hooks in use.
#define SLUICE_TEXT_REQUEST 1
#define SLUICE_TEXT_ANSWER 2
#define SLUICE_ON_REQUEST 4
#define SLUICE_ON_RESPONSE 8

// The flags of on_text.
#define SLUICE_END(flags) ((flags) & 1)              // nothing follows: settle everything
#define SLUICE_ANSWER(flags) (((flags) >> 1) & 1)    // an answer, else a request
#define SLUICE_ROLE(flags) (((flags) >> 2) & 7)      // one of SLUICE_ROLE_*
#define SLUICE_ARGUMENTS(flags) (((flags) >> 5) & 1) // JSON, escapes as they stand
#define SLUICE_STREAMED(flags) (((flags) >> 6) & 1)
#define SLUICE_LEFT(flags) (((flags) >> 16) & 255) // bytes of settled text in front: not editable

enum { SLUICE_ROLE_OTHER, SLUICE_ROLE_SYSTEM, SLUICE_ROLE_USER, SLUICE_ROLE_ASSISTANT, SLUICE_ROLE_TOOL, SLUICE_ROLE_DEFINITION };
enum { SLUICE_DEBUG, SLUICE_INFO, SLUICE_WARN, SLUICE_ERROR };
enum { SLUICE_FIRST, SLUICE_LAST };

// SLUICE_WINDOW is the most bytes of new text that one call of on_text gets; SLUICE_CONTEXT the most in front of them.
#define SLUICE_WINDOW 65536
#define SLUICE_CONTEXT 64

// Imports. Lengths are bytes; results are 0, a length, or a negative code.
SLUICE_IMPORT(redact) i32 sluice_redact(u32 start, u32 end, const char *kind, u32 kind_len);
SLUICE_IMPORT(redact_open) i32 sluice_redact_open(u32 start, const char *kind, u32 kind_len);
SLUICE_IMPORT(redact_close) i32 sluice_redact_close(u32 end);
SLUICE_IMPORT(replace) i32 sluice_replace(u32 start, u32 end, const char *text, u32 len);
SLUICE_IMPORT(next_state) i32 sluice_next_state(u64 state);
SLUICE_IMPORT(set) i32 sluice_set(const char *name, u32 name_len, const char *json, u32 json_len);
SLUICE_IMPORT(message) i32 sluice_message(u32 where, u32 role, const char *text, u32 len);
SLUICE_IMPORT(label) i32 sluice_label(const char *key, u32 key_len, const char *value, u32 value_len);
SLUICE_IMPORT(reject) i32 sluice_reject(const char *code, u32 code_len, const char *message, u32 message_len);
SLUICE_IMPORT(get) i32 sluice_get(const char *key, u32 key_len, char *buf, u32 cap);
SLUICE_IMPORT(log) i32 sluice_log(u32 level, const char *text, u32 len);

// SLUICE_TEXT spells a string literal as the pointer and length that the imports take.
#define SLUICE_TEXT(literal) (literal), (u32)(sizeof(literal) - 1)

// sluice_refuse logs why a configuration is refused (NUL-terminated) and is what on_config then returns.
static inline i32 sluice_refuse(const char *why) {
	u32 n = 0;
	while (why[n]) n++;
	sluice_log(SLUICE_ERROR, why, n);
	return 1;
}

// SLUICE_ARENA(size) defines alloc over one static buffer of size bytes: enough, as only one buffer lives at a time. It also
// exports arena, which tells the host where that is, so that it need not ask before each hook.
#define SLUICE_ARENA(size)                                            \
	static u8 sluice_arena[size] __attribute__((aligned(8)));         \
	SLUICE_EXPORT(alloc) u8 *sluice_alloc(u32 n) {                    \
		return n <= sizeof sluice_arena ? sluice_arena : (u8 *)0;     \
	}                                                                 \
	SLUICE_EXPORT(arena) u64 sluice_arena_at(void) {                  \
		return (u64)(size) << 32 | (u32)(__UINTPTR_TYPE__)sluice_arena; \
	}

#endif
