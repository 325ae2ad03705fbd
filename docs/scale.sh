#!/usr/bin/env bash
# Measures what docs/scale.md counts with: CPU time, memory and bytes for a million runs, and how
# processes add up. Needs GNU time and jq (apt-get install time jq) and target/release/apify-runs:
# `cargo build --release`. Takes two minutes, or, once tests/spark/run.sh has
# installed Spark, five.
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
    measure "$format" export a --rate inf --out "$folder/runs.$format"
done
measure 'jsonl, 1 page in flight' export a --rate inf --concurrency 1 --out "$folder/runs.jsonl"
serve --compact
measure 'jsonl, compact responses' export a --rate inf --out "$folder/runs.jsonl"
serve --compress
measure 'parquet, responses compressed' export a --rate inf --out "$folder/runs.parquet"
runs=200000
serve --latency 100ms
measure 'parquet, 100 ms, 60 requests/s' export a --rate 60 --out "$folder/runs.parquet"

# Seconds since a time.
since() {
    echo "$(date +%s.%N) $1" | awk '{printf "%.2f", $1 - $2}'
}

runs=${RUNS:-1000000}
echo
for latency in 50ms 300ms 1s; do
    serve --latency "$latency" --rate-limit 60
    begun=$(date +%s.%N)
    "$program" export a --log-format json --progress none --out "$folder/runs.jsonl" 2>"$folder/log"
    seconds=$(since "$begun")
    retries=$(jq -s '.[-1].retries' "$folder/log")
    echo "60 requests/s, $latency a request: $seconds s, $retries retries"
    rm -rf "$folder"/runs*
done

runs=200000
serve --latency 100ms --rate-limit 60
begun=$(date +%s.%N)
exports=()
for program_of_two in 1 2; do
    (
        "$program" export a --quiet --out "$folder/runs.$program_of_two.jsonl"
        echo "the same list by two programs, $program_of_two: $(since "$begun") s"
    ) &
    exports+=($!)
done
wait "${exports[@]}"
rm -rf "$folder"/runs*

runs=100
serve --latency 100ms --rate-limit 60
for actors in 200 2000 10000; do
    seq -f 'actor%g' "$actors" >"$folder/actors"
    begun=$(date +%s.%N)
    "$program" export --actors-file "$folder/actors" --quiet --out "$folder/runs/{actor}.jsonl"
    echo "$actors Actors with 100 runs each: $(since "$begun") s"
    rm -rf "$folder"/runs*
done

runs=1000000000
serve
printf 'to cut 1,000,000,000 runs into 1,000 parts: '
command time -f '%e s' "$program" split a --into 1000 --rate inf --quiet 2>&1 >/dev/null

spark=${CARGO_TARGET_DIR:-target}/export-venv/bin
[ -x "$spark/spark-submit" ] || exit 0
spark=$(realpath "$spark") program=$(realpath "$program")
SPARK_HOME=$("$spark/python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')
export SPARK_HOME PYSPARK_PYTHON=$spark/python SPARK_LOCAL_IP=127.0.0.1
for runs in 250000 1250000; do
    serve
    echo "$APIFY_TOKEN" >"$folder/token"
    "$program" split a --into 16 --quiet >"$folder/splits"
    printf '%s runs by examples/spark, 2 executors: ' "$runs"
    command time -f '%e s, %U s and %S s of CPU' -o "$folder/time" \
        "$spark/spark-submit" --master 'local-cluster[2,1,1024]' examples/spark/runs.py \
        "$folder/splits" "$folder/runs.parquet" --program "$program" \
        --token-file "$folder/token" --base-url "$APIFY_API_BASE_URL" >"$folder/out" 2>&1
    cat "$folder/time"
    rm -rf "$folder"/runs*
done
