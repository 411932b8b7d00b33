// Modules that a host refuses, one for each definition of CASE: see build.sh. Each has one thing wrong.
#include "sluice.h"

#define IS(name) (CASE == CASE_##name)
#define CASE_no_abi 1
#define CASE_later_version 2
#define CASE_later_hooks 3
#define CASE_no_hooks 4
#define CASE_hook_missing 5
#define CASE_no_alloc 6
#define CASE_alloc_type 7
#define CASE_on_text_type 8
#define CASE_import_unknown 9
#define CASE_import_type 10
#define CASE_import_module 11
#define CASE_wasi_unknown 12
#define CASE_memory_imported 13
#define CASE_threads 14
#define CASE_initialize_traps 15
#define CASE_abi_traps 16
#define CASE_abi_calls_host 17
#define CASE_alloc_null 18
#define CASE_alloc_outside 19
#define CASE_alloc_calls_host 20
#define CASE_classes_outside 21
#define CASE_config_refused 22
#define CASE_config_silent 23
#define CASE_config_traps 24
#define CASE_config_calls_host 25
#define CASE_config_missing 26
#define CASE_text_traps 27
#define CASE_arena_outside 28
#define CASE_arena_type 29

static u8 arena[IS(memory_imported) ? 16 : 2 * SLUICE_WINDOW] __attribute__((aligned(8)));

#if IS(later_version)
SLUICE_EXPORT(sluice_abi_v2) i32 later(void) { return SLUICE_TEXT_REQUEST; }
#elif !IS(no_abi)
SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) {
	if (IS(abi_traps)) __builtin_trap();
	if (IS(abi_calls_host)) sluice_label(SLUICE_TEXT("key"), SLUICE_TEXT("value"));
	if (IS(no_hooks)) return 0;
	return IS(later_hooks) ? SLUICE_TEXT_REQUEST | 16 : IS(hook_missing) ? SLUICE_TEXT_REQUEST | SLUICE_ON_REQUEST : SLUICE_TEXT_REQUEST;
}
#endif

#if IS(alloc_type)
SLUICE_EXPORT(alloc) u8 *alloc(u64 n) { return n <= sizeof arena ? arena : 0; }
#elif IS(no_alloc)
SLUICE_EXPORT(buffer) u8 *buffer(void) { return arena; } // by another name
#else
SLUICE_EXPORT(alloc) u8 *alloc(u32 n) {
	if (IS(alloc_null)) return 0;
	if (IS(alloc_outside)) return (u8 *)0xfffffff0u;
	if (IS(alloc_calls_host)) sluice_log(SLUICE_INFO, SLUICE_TEXT("from alloc"));
	return n <= sizeof arena ? arena : 0;
}
#endif

#if IS(on_text_type)
SLUICE_EXPORT(on_text) i32 on_text(const u8 *text, u32 len, u32 flags, u64 state) {
#else
SLUICE_EXPORT(on_text) i64 on_text(const u8 *text, u32 len, u32 flags, u64 state) {
#endif
	(void)text, (void)flags, (void)state;
	if (IS(text_traps)) __builtin_trap();
	return len;
}

#if !IS(config_missing)
SLUICE_EXPORT(on_config) i32 on_config(const u8 *json, u32 len) {
	(void)json, (void)len;
	if (IS(config_traps)) __builtin_trap();
	if (IS(config_calls_host)) sluice_redact(0, 1, SLUICE_TEXT("word"));
	if (IS(config_refused)) return sluice_refuse("this is the reason");
	return IS(config_silent);
}
#endif

#if IS(initialize_traps)
SLUICE_EXPORT(_initialize) void initialize(void) { __builtin_trap(); }
#endif

#if IS(classes_outside)
SLUICE_EXPORT(byte_classes) u32 byte_classes(void) { return 0xffffff01u; }
#endif

#if IS(arena_outside)
SLUICE_EXPORT(arena) u64 at(void) { return (u64)SLUICE_WINDOW << 32 | 0xfffffff8u; }
#elif IS(arena_type)
SLUICE_EXPORT(arena) u8 *at(void) { return arena; }
#endif

#define OTHER(module, name) __attribute__((import_module(module), import_name(name)))
#if IS(import_unknown)
OTHER("sluice", "frobnicate") i32 other(u32 n);
#elif IS(import_type)
OTHER("sluice", "next_state") i32 other(u32 n);
#elif IS(import_module)
OTHER("env", "abort") i32 other(u32 n);
#elif IS(wasi_unknown)
OTHER("wasi_snapshot_preview1", "frobnicate") i32 other(u32 n);
#endif
#if IS(import_unknown) || IS(import_type) || IS(import_module) || IS(wasi_unknown)
SLUICE_EXPORT(use) i32 use(u32 n) { return other(n); }
#endif
