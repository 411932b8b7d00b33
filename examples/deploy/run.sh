#!/usr/bin/env bash
# Deploys a filter, tries its next version on all callers, gives it to them for good, and goes back: README.md, for real.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work="$here/.work"
rm -rf "$work"
mkdir -p "$work/filters.d"
cd "$work"
(cd "$here/../.." && go build -o "$work/sluice" ./cmd/sluice)
PATH="$work:$PATH"

# version NUMBER: the shipped redactor, with its vectors, as that version of ticket; a custom section makes its bytes differ.
version() {
	{
		cat "$here/../../filters/redact/redact.wasm"
		printf '\0\6\5%s' "$1" # a custom section with a name of five bytes and nothing else
	} >ticket.wasm
	cp "$here/../../filters/redact/redact.vectors.json" ticket.vectors.json
	rm -f ticket.filter.json
	sluice filter sign --key me.pem ${2:-} --version "$1" ticket.wasm
}

# expect PATTERN COMMAND...: the command's output must have it.
expect() {
	local out
	out=$("${@:2}" 2>&1) || true
	echo "$out"
	grep -qE -- "$1" <<<"$out" || { echo "expected $1" >&2; exit 1; }
}

version 1.0.0 --new-key >signed
key=$(grep -o 'ed25519:[^"]*' signed)
sed "s|^listen: .*|listen: 127.0.0.1:0|; s|# trust: .*|trust: [\"$key\"]|" "$here/sluice.yaml" >sluice.yaml
sluice serve --config sluice.yaml >serve.out 2>serve.log &
serving=$!
trap 'kill $serving 2>/dev/null; wait $serving 2>/dev/null || true' EXIT
for _ in $(seq 100); do
	grep -q '^try:' serve.out && break
	kill -0 $serving
	sleep 0.1
done

expect '^ticket 1.0.0 is live' sluice filter deploy ticket.wasm
version 1.1.0 >signed
expect '^ticket 1.1.0 is the canary for 100 % of principals' sluice filter deploy --canary 100 ticket.wasm
expect '^ticket +1.1.0 +canary +100 %' sluice filter list
expect '^ticket 1.1.0 is live' sluice filter promote ticket
expect '^ticket 1.0.0 is live' sluice filter rollback ticket
version 1.0.5 >signed
expect 'version 1.0.5 is lower than 1.1.0' sluice filter deploy ticket.wasm
rm ticket.filter.json
expect 'stage signature' sluice filter deploy ticket.wasm
expect '^ticket +1.0.0 +live' sluice filter list
