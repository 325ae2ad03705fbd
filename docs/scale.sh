#!/usr/bin/env bash
# Measures what docs/scale.md counts with: CPU time, memory and bytes for a million runs.
# Needs GNU time (apt-get install time) and target/release/apify-runs:
# `cargo build --release --features cli`. Takes about two minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${CARGO_TARGET_DIR:-target}/release/apify-runs
runs=${RUNS:-2000000}
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

# Starts an emulator, and lets the program read from it.
serve() {
    kill $(jobs -p) 2>/dev/null || true
    rm -f "$folder"/address
    "$program" emulate --runs "$runs" "$@" >"$folder/address" &
    until [ "$(wc -l <"$folder/address")" -eq 2 ]; do sleep 0.05; done
    set -a
    # shellcheck disable=SC1091
    . "$folder/address"
    set +a
}

# Runs a command of the program, and prints what it took for each million runs.
measure() {
    local name=$1 log
    shift
    command time -f '%e %U %S %M' -o "$folder/time" "$program" "$@" \
        --log-format json --progress none >"$folder/out" 2>"$folder/log"
    log=$(grep -o '{.*}' "$folder/log" | tail -1)
    jq -rn --argjson log "$log" --rawfile time "$folder/time" --arg name "$name" '
        ($time | split(" ") | map(tonumber)) as [$wall, $user, $system, $memory]
        | ($log.fields // $log) as $done
        | (1000000 / $done.rows) as $m
        | def round($digits): . * pow(10; $digits) | round / pow(10; $digits);
          [$name, (($user + $system) * $m | round(2)), ($memory / 1024 | round),
           ($done.bytes_received * $m / 1000000 | round),
           ($done.bytes_written * $m / 1000000 | round),
           ($done.requests * $m | round), ($done.rows / $wall | round)] | @tsv'
    rm -rf "$folder"/runs*
}

printf 'a million runs as\tCPU s\tMiB at most\tMB received\tMB written\trequests\truns/s\n'
serve
for format in jsonl jsonl.zst csv parquet; do
    measure "$format" export a --rate 1000 --out "$folder/runs.$format"
done
measure 'jsonl, 1 page in flight' export a --rate 1000 --concurrency 1 --out "$folder/runs.jsonl"
serve --compress
measure 'parquet, answers compressed' export a --rate 1000 --out "$folder/runs.parquet"
runs=200000
serve --latency 100ms
measure 'parquet, 100 ms, 60 requests/s' export a --rate 60 --out "$folder/runs.parquet"
measure 'parquet, 100 ms, 30 requests/s' export a --rate 30 --out "$folder/runs.parquet"

runs=1000000000
serve
echo
printf 'to cut 1,000,000,000 runs into 1,000 parts: '
command time -f '%e s' "$program" split a --into 1000 --rate 1000 2>&1 >/dev/null
