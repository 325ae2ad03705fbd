#!/usr/bin/env bash
# Walks the emulator with the clients of others and checks that they get every row: what our
# tests run against is what Apify's own programs take for the service.
# Needs node and npm. Usage: tests/peers/run.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/../.."

runs=${1:-12345}
work=$(mktemp -d)
mkfifo "$work/stdin"
trap 'exec 3>&-; rm -rf "$work"' EXIT

(cd tests/peers/js && npm ci --silent --no-audit --no-fund)
cargo build --quiet --features emulator --example emulator

# The emulator runs for as long as its standard input is open.
cargo run --quiet --features emulator --example emulator -- "$runs" "$work/expected" \
    <"$work/stdin" >"$work/address" &
exec 3>"$work/stdin"
for _ in $(seq 100); do
    [ "$(wc -l <"$work/address")" -ge 2 ] && break
    sleep 0.1
done
{ read -r base_url; read -r token; } <"$work/address"

node tests/peers/js/walk.mjs "$base_url" "$token" "$work/javascript"
if ! cmp "$work/expected" "$work/javascript"; then
    echo "apify-client (JavaScript) did not get the rows of the list in order" >&2
    exit 1
fi
echo "apify-client (JavaScript): $runs of $runs rows, in order"
