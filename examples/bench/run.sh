#!/usr/bin/env bash
# Builds Sluice, makes a key, and prints how to start it for measuring; with a command behind, runs that command with
# {sluice} and {key} replaced:
#   examples/bench/run.sh compare.py --sluice '{sluice}' --port 8080 --header 'x-api-key: {key}' --nginx
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work="$here/.work"
mkdir -p "$work"
(cd "$here/../.." && go build -trimpath -ldflags '-s -w' -o "$work/sluice" ./cmd/sluice)
made=$("$work/sluice" key new --id bench --tenant bench)
key=$(grep -o 'slk_[a-z0-9]*' <<<"$made")
digest=$(grep -o 'sha256: [0-9a-f]*' <<<"$made" | cut -d' ' -f2)
sed "s/SLUICE_BENCH_KEY/$digest/" "$here/sluice.yaml" >"$work/sluice.yaml"
start="$work/sluice serve --config $work/sluice.yaml"
if [ $# -eq 0 ]; then
	printf 'start:  %s\nheader: x-api-key: %s\n' "$start" "$key"
	exit
fi
args=()
for a in "$@"; do
	a=${a//\{sluice\}/$start}
	args+=("${a//\{key\}/$key}")
done
exec "${args[@]}"
