#!/usr/bin/env bash
# Serves a policy as a bundle, publishes a next one, one with a fault and stops the server: README.md, for real.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work="$here/.work"
rm -rf "$work"
mkdir -p "$work/served"
cd "$work"
(cd "$here/../.." && go build -o "$work/sluice" ./cmd/sluice)
cp -r "$here/policy" policy

# publish REVISION: the folder as a bundle, as opa build -b would make it; moved into place, so that nobody reads half of it.
publish() {
	printf '{"revision": "%s", "roots": [""]}\n' "$1" >policy/.manifest
	tar -C policy -czf next.tar.gz .manifest main.rego main_test.rego
	mv next.tar.gz served/gateway.tar.gz
}

# expect PATTERN PATH: the control listener's page must come to have it.
expect() {
	local out=""
	for _ in $(seq 300); do
		out=$(curl -s --unix-socket sluice.sock "http://localhost$2" || true)
		grep -qE -- "$1" <<<"$out" && return
		sleep 0.1
	done
	echo "expected $1 of $2, got: $out" >&2
	exit 1
}

publish one
python3 -u -m http.server --bind 127.0.0.1 --directory served 0 >server.out 2>server.log &
server=$!
trap 'kill $server $serving 2>/dev/null; wait 2>/dev/null || true' EXIT
serving=$server
for _ in $(seq 100); do
	grep -q 'port [0-9]' server.out && break
	sleep 0.1
done
port=$(grep -oE 'port [0-9]+' server.out | grep -oE '[0-9]+')
sed "s|^listen: .*|listen: 127.0.0.1:0|; s|127.0.0.1:8181|127.0.0.1:$port|" "$here/sluice.yaml" >sluice.yaml
./sluice check --config sluice.yaml
./sluice serve --config sluice.yaml >serve.out 2>serve.log &
serving=$!

expect '"policy": "one"' /generation
publish two
expect '"policy": "two"' /generation
sed -i 's/"developer" in/"developr" in/' policy/main.rego
publish three
expect 'tests: bundle:gateway/main_test.rego' /readyz
expect '"policy": "two"' /generation
kill "$server"
expect 'the server cannot be reached' /readyz
expect '"policy": "two"' /generation
kill "$serving"
wait "$serving" || true
./sluice serve --config sluice.yaml >serve.out 2>>serve.log &
serving=$!
expect '"policy": "two"' /generation
echo "bundles: ok"
