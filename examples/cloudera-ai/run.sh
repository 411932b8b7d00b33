#!/usr/bin/env bash
# Builds Sluice and tries the application on this machine, against a stand-in of the Inference service.
set -euo pipefail
cd "$(dirname "$0")"

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
CGO_ENABLED=0 go build -C ../.. -trimpath -o "$home/sluice" ./cmd/sluice
new=$("$home/sluice" key new)
key=$(grep -o 'slk_[A-Za-z0-9_-]*' <<<"$new" | head -1)
digest=$(printf %s "$key" | sha256sum | cut -d' ' -f1)
grep -q "$digest" <<<"$new" || { echo "sluice key new prints another digest than the key's" >&2; exit 1; }
sed "s/PUT-THE-DIGEST-HERE/$digest/; s#/tmp/jwt#$home/jwt#" sluice.yaml >"$home/sluice.yaml"
python3 check.py "$home" "$key"
