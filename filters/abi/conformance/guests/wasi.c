// wasi.wasm uses WASI as toolchains' runtimes do. It labels a clock and random bytes, which are the same in every
// exchange, and finds neither arguments, environment nor files.
#include "sluice.h"

#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))
WASI(clock_time_get) i32 clock_time_get(i32 id, i64 precision, u64 *time);
WASI(random_get) i32 random_get(void *buf, u32 n);
WASI(fd_write) i32 fd_write(i32 fd, const void *vectors, u32 n, u32 *written);
WASI(fd_prestat_get) i32 fd_prestat_get(i32 fd, void *stat);
WASI(args_sizes_get) i32 args_sizes_get(u32 *count, u32 *size);
WASI(environ_sizes_get) i32 environ_sizes_get(u32 *count, u32 *size);
WASI(path_open) i32 path_open(i32 fd, i32 look, const char *path, u32 n, i32 open, i64 base, i64 inheriting, i32 flags, i32 *got);
WASI(proc_exit) void proc_exit(i32 code);

SLUICE_ARENA(SLUICE_WINDOW + SLUICE_CONTEXT)

SLUICE_EXPORT(sluice_abi_v1) i32 sluice_abi_v1(void) { return SLUICE_TEXT_REQUEST; }

static void tell(const char *key, u32 n, u64 value) {
	char out[24];
	u32 i = sizeof out;
	do out[--i] = (char)('0' + value % 10);
	while (value /= 10);
	sluice_label(key, n, out + i, (u32)sizeof out - i);
}

#define TELL(key, value) tell(SLUICE_TEXT(key), value)

SLUICE_EXPORT(on_text) i64 on_text(const u8 *text, u32 len, u32 flags, u64 state) {
	(void)state;
	if (!SLUICE_END(flags)) return SLUICE_LEFT(flags);
	u64 time = 0;
	u32 word = 0, count = 9, size = 9, written = 0;
	i32 got = 0;
	struct {
		const char *p;
		u32 n;
	} line = {SLUICE_TEXT("swallowed\n")};
	TELL("clock_error", (u32)clock_time_get(0, 1, &time));
	TELL("time", time);
	TELL("random_error", (u32)random_get(&word, sizeof word));
	TELL("random", word);
	TELL("write_error", (u32)fd_write(1, &line, 1, &written));
	TELL("written", written);
	TELL("preopened", (u32)fd_prestat_get(3, &size));
	args_sizes_get(&count, &size);
	TELL("args", count);
	environ_sizes_get(&count, &size);
	TELL("environ", count);
	TELL("opened", path_open(3, 0, SLUICE_TEXT("/etc/passwd"), 0, 0, 0, 0, &got) == 0);
	for (u32 i = 0; i < len; i++)
		if (text[i] == '!') proc_exit(0);
	return len;
}
