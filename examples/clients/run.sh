#!/usr/bin/env bash
# The clients that applications use, against Sluice and a scripted model server. Installs them, builds Sluice, and for each
# client starts both anew, runs its checks, stops both and counts its calls.
#
#   examples/clients/run.sh                          all clients; exit code 0 if every check passed
#   examples/clients/run.sh curl openai-python       only these
#
# Needs linux on x86-64 with glibc, go, node with npm, python3 with venv, curl. All it makes is under .work/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$here/.work
run=$work/run # of this run alone
clients=(curl openai-python openai-javascript anthropic-python anthropic-javascript langchain llamaindex vercel-ai openai-go)

say() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
die() {
	printf 'examples/clients: %s\n' "$*" >&2
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
go_pid= # of the build of the client in Go
trap 'stop; [ -z "$go_pid" ] || kill "$go_pid" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

# install fetches the pinned packages, once: no package's install script runs, nothing is compiled.
install() {
	local wanted
	wanted=$(cat "$here"/{package.json,package-lock.json,requirements.txt,llamaindex/requirements.txt} | sha256sum)
	[ "$(cat "$work/installed" 2>/dev/null)" = "$wanted" ] && return
	rm -rf "$work/npm" "$work/venv" "$work/openai2" "$work/installed"
	mkdir -p "$work/npm"
	cp "$here/package.json" "$here/package-lock.json" "$work/npm"
	(cd "$work/npm" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >"$work/npm.log" 2>&1 &
	pids=($!)
	{
		python3 -m venv "$work/venv"
		"$work/venv/bin/pip" install --quiet --no-deps --no-compile --requirement "$here/requirements.txt"
		"$work/venv/bin/pip" install --quiet --no-deps --target "$work/openai2" --requirement "$here/llamaindex/requirements.txt"
	} >"$work/pip.log" 2>&1 || die "pip failed, see $work/pip.log: $(tail -n 3 "$work/pip.log")"
	wait "${pids[0]}" || die "npm failed, see $work/npm.log: $(tail -n 3 "$work/npm.log")"
	pids=()
	echo "$wanted" >"$work/installed"
}

build() {
	(cd "$root" && go build -trimpath -o "$work/sluice" ./cmd/sluice)
	# Imports are resolved from the script's own folder, so scripts have to stand beside node_modules.
	cp "$here/checks.mjs" "$work/npm"
	local kind
	for kind in openai/javascript anthropic/javascript vercel-ai; do
		[ -f "$here/$kind/check.mjs" ] || continue
		mkdir -p "$work/npm/$kind"
		sed 's#"./checks.mjs"#"'"$work"'/npm/checks.mjs"#' "$here/$kind/check.mjs" >"$work/npm/$kind/check.mjs"
	done
}

# build_go builds the client in Go, in the background: its SDK takes the compiler a minute, and less without optimizing.
build_go() {
	(cd "$here/openai/go" && exec go build -gcflags="github.com/openai/openai-go/v3/...=-N -l" -o "$work/openai-go" .) >"$work/go.log" 2>&1 &
	go_pid=$!
}

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# answers waits until a URL does.
answers() {
	local i
	for ((i = 0; i < 600; i++)); do
		curl -s -o "$run/probe" "$1" && return
		sleep 0.1
	done
	die "$1 does not answer: $(tail -n 20 "$run"/*.err)"
}

# start starts the model server, and Sluice in front of it.
start() {
	local server gateway
	rm -rf "$run"
	mkdir -p "$run"
	cp -r "$here/policies" "$run"
	server=$(free) gateway=$(free)
	model_url=http://127.0.0.1:$server
	python3 "$here/modelserver.py" "$server" 2>"$run/model-server.err" &
	pids+=($!)
	sed "s/127.0.0.1:8000/127.0.0.1:$server/; s/127.0.0.1:8080/127.0.0.1:$gateway/" "$here/sluice.yaml" >"$run/sluice.yaml"
	MODEL_SERVER_TOKEN=upstream-key "$work/sluice" serve --config "$run/sluice.yaml" >"$run/sluice.out" 2>"$run/sluice.err" &
	sluice_pid=$!
	pids+=("$sluice_pid")
	export SLUICE_URL=http://127.0.0.1:$gateway SLUICE_KEY
	answers "$model_url/seen"
	answers "$SLUICE_URL/ping"
	SLUICE_KEY=$(sed -n 's/^ *checks .*x-api-key: //p' "$run/sluice.out")
	[ -n "$SLUICE_KEY" ] || die "Sluice printed no key: $(cat "$run/sluice.out")"
}

# command_of runs the script of one client.
command_of() {
	case $1 in
	curl) bash "$here/curl/check.sh" ;;
	openai-go) "$work/openai-go" ;;
	openai-javascript | anthropic-javascript | vercel-ai) "$work/npm/node_modules/.bin/node" "$work/npm/${1/-java//java}/check.mjs" ;;
	openai-python | anthropic-python) PYTHONPATH=$here "$work/venv/bin/python" -B "$here/${1/-//}/check.py" ;;
	langchain) PYTHONPATH=$here "$work/venv/bin/python" -B "$here/langchain/check.py" ;;
	llamaindex) PYTHONPATH=$here:$work/openai2 "$work/venv/bin/python" -B "$here/llamaindex/check.py" ;;
	*) die "no client $1; there are: ${clients[*]}" ;;
	esac
}

# left waits until the model server knows that the stream was left; counts.py tells if it never does.
left() {
	local i
	for ((i = 0; i < 50; i++)); do
		curl -s "$model_url/seen" >"$run/seen.json"
		grep -q '"left": {"slow"' "$run/seen.json" && return
		sleep 0.1
	done
}

# check runs one client's checks, and counts its calls.
check() {
	say "$1"
	if [ "$1" = openai-go ]; then
		wait "$go_pid" || die "go build failed: $(tail -n 5 "$work/go.log")"
		go_pid=
	fi
	start
	command_of "$1" 2>&1 | tee -a "$work/checks" || failed="$failed $1"
	left
	kill "$sluice_pid" && wait "$sluice_pid" || failed="$failed $1" # it ends in good order, and its audit log is whole
	PYTHONPATH=$here python3 -B "$here/counts.py" "$1" "$run/audit.jsonl" "$run/seen.json" | tee -a "$work/checks" || failed="$failed $1"
	stop
}

[ "$(uname -sm)" = "Linux x86_64" ] || die "the Node.js that is installed is built for linux on x86-64, this is $(uname -sm)"
mkdir -p "$work"
: >"$work/checks"
say install
install
say build
build
failed=
[ $# -eq 0 ] || clients=("$@")
case " ${clients[*]} " in *" openai-go "*) build_go ;; esac
for client in "${clients[@]}"; do
	check "$client"
done
say done
passed=$(grep -c '^ok ' "$work/checks" || true)
bad=$(grep -c '^FAILED ' "$work/checks" || true)
printf '%d passed, %d failed\n' "$passed" "$bad"
[ -z "$failed" ] && [ "$bad" = 0 ] && [ "$passed" -gt 0 ] || die "these failed:$failed; the last one's logs are in $run"
