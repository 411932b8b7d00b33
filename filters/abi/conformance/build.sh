#!/bin/sh
# Builds the guests of the conformance kit, byte for byte the same with the same compiler.
#
#   filters/abi/conformance/build.sh           builds guests/*.wasm
#   filters/abi/conformance/build.sh --check   builds into a temporary folder and fails where the modules here differ
#
# Compiler: Debian's clang 14.0.6 and its linker: apt-get update && apt-get install -y clang-14 lld-14
set -eu
cd "$(dirname "$0")/guests"

for tool in clang-14 wasm-ld-14; do
	command -v "$tool" >/dev/null || {
		echo "build.sh: $tool is missing: apt-get update && apt-get install -y clang-14 lld-14" >&2
		exit 1
	}
done

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# build SOURCE NAME OPTION...: options that begin with -- are the linker's. It is called by itself, as clang would run a
# wasm-opt that it finds over what it links, and the bytes would depend on the machine.
build() {
	source=$1 name=$2 compile= link=
	shift 2
	for option; do
		case $option in
		--*) link="$link $option" ;;
		*) compile="$compile $option" ;;
		esac
	done
	# shellcheck disable=SC2086 # the options are words
	clang-14 --target=wasm32 -std=c11 -O2 -ffreestanding -fno-builtin -nostdlib -mno-bulk-memory -mmutable-globals \
		-Wall -Wextra -Werror -Wno-unused-function -Wno-infinite-recursion -I../../../sdk/c $compile -c "$source" -o "$out/$name.o"
	# shellcheck disable=SC2086
	wasm-ld-14 "$out/$name.o" -o "$out/$name.wasm" --no-entry --strip-all --gc-sections --stack-first -z stack-size=16384 $link
	rm "$out/$name.o"
}

build act.c act -DHOOKS=7
build act.c act-response -DHOOKS=15
for guest in window memory order wasi; do
	build "$guest.c" "$guest"
done
build ../../../sdk/c/example/ticket.c ticket
build ../echo/echo.c echo

# refused CASE OPTION...: a module with that one thing wrong.
refused() {
	name=$1
	shift
	build refused.c "refused-$name" "-DCASE=CASE_$name" "$@"
}

for name in no_abi later_version later_hooks no_hooks hook_missing no_alloc alloc_type on_text_type import_unknown \
	import_type import_module wasi_unknown initialize_traps abi_traps abi_calls_host alloc_null alloc_outside \
	alloc_calls_host classes_outside config_refused config_silent config_traps config_calls_host config_missing \
	text_traps arena_outside arena_type; do
	refused "$name"
done
refused memory_imported --import-memory
refused threads -matomics -mbulk-memory --shared-memory --max-memory=262144

# No modules at all, or of another kind.
: >"$out/refused-empty.wasm"
echo 'not WebAssembly' >"$out/refused-text.wasm"
printf '\000asm\015\000\001\000' >"$out/refused-component.wasm"
head -c 200 "$out/ticket.wasm" >"$out/refused-cut_off.wasm"

for built in "$out"/*.wasm; do
	module=$(basename "$built")
	if [ "${1:-}" != --check ]; then
		install -m 644 "$built" "$module"
	elif ! cmp -s "$built" "$module"; then
		echo "build.sh: $module is not what its source builds to: run filters/abi/conformance/build.sh and commit the result" >&2
		exit 1
	fi
done
echo "$(ls "$out" | wc -l) modules, $(cat "$out"/*.wasm | wc -c) bytes"
