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
cargo build --quiet --features emulator --example emulator --example export

# The emulator runs for as long as its standard input is open.
cargo run --quiet --features emulator --example emulator -- "$runs" "$work/expected" \
    <"$work/stdin" >"$work/address" &
exec 3>"$work/stdin"
for _ in $(seq 100); do
    [ "$(wc -l <"$work/address")" -ge 2 ] && break
    sleep 0.1
done
{ read -r base_url; read -r token; } <"$work/address"

# Compares the IDs a program got, one a line, with those of the list.
check() {
    if ! cmp "$work/expected" "$2"; then
        echo "$1 did not get the rows of the list in order" >&2
        exit 1
    fi
    echo "$1: $runs of $runs rows, in order"
}

node tests/peers/js/walk.mjs "$base_url" "$token" "$work/javascript"
check "apify-client (JavaScript)" "$work/javascript"

# Our own example, as a user with an account runs it.
example=$(realpath "${CARGO_TARGET_DIR:-target}/debug/examples/export")
(cd "$work" && APIFY_TOKEN=$token APIFY_API_BASE_URL=$base_url "$example" janedoe/my-actor)
sed 's/^{"id":"\([^"]*\)".*/\1/' "$work/runs.jsonl" >"$work/ours"
check "apify-runs (examples/export)" "$work/ours"
