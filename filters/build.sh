#!/bin/sh
# Builds the shipped filters, byte for byte the same on every machine with the same compiler.
#
#   filters/build.sh           builds the .wasm of each folder
#   filters/build.sh --check   builds into a temporary folder and fails where the committed modules differ
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

# build NAME MEMORY OUT [MOST]: compiles every .c of the folder as one program. MEMORY is the linear memory in bytes; it never
# grows unless MOST says so, as a small fixed memory is what makes the reset between exchanges cheap. Without bulk memory operations, as
# the meter has to split them.
build() {
	clang-14 --target=wasm32 -std=c11 -O2 -ffreestanding -fno-builtin -nostdlib -mno-bulk-memory -mmutable-globals \
		-Wall -Wextra -Werror -Wno-unused-function -Isdk/c "$1"/*.c -o "$3" \
		-Wl,--no-entry,--strip-all,--gc-sections,--stack-first,-z,stack-size=16384 \
		-Wl,--initial-memory="$2",--max-memory="${4:-$2}"
}

build_all() {
	build guard 327680 "$1/guard.wasm"
	build redact 196608 "$1/redact.wasm"
	build prompt 262144 "$1/prompt.wasm" 16777216
}

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
build_all "$out"
for name in guard prompt redact; do
	if [ "${1:-}" != --check ]; then
		install -m 644 "$out/$name.wasm" "$name/$name.wasm"
	elif ! cmp -s "$out/$name.wasm" "$name/$name.wasm"; then
		echo "build.sh: $name/$name.wasm is not what its source builds to: run filters/build.sh and commit the result" >&2
		exit 1
	fi
	echo "$name.wasm $(wc -c <"$out/$name.wasm") bytes"
done
