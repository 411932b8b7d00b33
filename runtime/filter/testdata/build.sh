#!/bin/sh
# Builds the test guests: clang 14 and lld 14 (Debian: clang-14 lld-14).
cd "$(dirname "$0")" || exit 1
for guest in words hostile; do
	clang-14 --target=wasm32 -O2 -nostdlib -ffreestanding -fno-builtin -mbulk-memory -Wall -Werror \
		-Wl,--no-entry -Wl,-z,stack-size=16384 -Wl,--strip-all -o "$guest.wasm" "$guest.c" || exit 1
done
