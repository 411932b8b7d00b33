#!/bin/sh
# Builds the guests of the tests and of the http-wasm example, byte for byte the same with the same compiler.
#
#   runtime/filter/testdata/build.sh           builds words, hostile and handler here, ../meter/testdata/scan
#                                              and examples/http-wasm/limit
#   runtime/filter/testdata/build.sh --check   builds into a temporary folder and fails where the modules here differ
#
# Compiler: Debian's clang 14.0.6 and its linker: apt-get update && apt-get install -y clang-14 lld-14
set -eu
cd "$(dirname "$0")"

for tool in clang-14 wasm-ld-14; do
	command -v "$tool" >/dev/null || {
		echo "build.sh: $tool is missing: apt-get update && apt-get install -y clang-14 lld-14" >&2
		exit 1
	}
done

# build SOURCE OUT OPTION...
build() {
	source=$1 target=$2
	shift 2
	clang-14 --target=wasm32 -O2 -nostdlib -ffreestanding -mbulk-memory -Wall -Werror -Wl,--no-entry "$@" -o "$target" "$source"
}

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for guest in words hostile handler; do
	build "$guest.c" "$out/$guest.wasm" -fno-builtin -Wl,-z,stack-size=16384 -Wl,--strip-all
done
build ../../../examples/http-wasm/limit.c "$out/limit.wasm" -Wl,-z,stack-size=4096 -Wl,--strip-all
build ../meter/testdata/scan.c "$out/scan.wasm"

for module in words.wasm hostile.wasm handler.wasm ../meter/testdata/scan.wasm ../../../examples/http-wasm/limit.wasm; do
	built=$out/$(basename "$module")
	if [ "${1:-}" != --check ]; then
		install -m 644 "$built" "$module"
	elif ! cmp -s "$built" "$module"; then
		echo "build.sh: $module is not what its source builds to: run runtime/filter/testdata/build.sh and commit the result" >&2
		exit 1
	fi
	echo "$(basename "$module") $(wc -c <"$built") bytes"
done
