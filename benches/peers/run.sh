#!/usr/bin/env bash
# Measures how many runs a second Apify's official clients, a hand-written loop and this
# crate get from the same emulator, over a loopback socket, at different latencies a request. The
# emulator sends indented JSON, as the service does, and once compact JSON.
# Writes results.json and draws latency.svg beside this script, and prints the table for
# docs/performance.md. Fails if any client miscounts.
#
# Each client iterates all runs as its documentation says, and only counts them. It has one
# core, the emulator another. A walk that is not timed comes first; the median of the others
# counts. src/bin/measure.rs and the walkers show the rest.
#
# Needs Linux for the cores, Rust, node with npm, and Python 3.11 with venv. Usage:
#   benches/peers/run.sh           about 7 minutes once built, on a machine with nothing else to do
#   benches/peers/run.sh --quick   seconds; only shows that everything works, and keeps nothing
#   benches/peers/run.sh LATENCY_MS:RUNS:RUNS_IN_FLIGHT:WALKS[:compact]…   other measurements
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/peers/install.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
here=$PWD/benches/peers
out=$here
# With one page in flight the rate does not depend on the length of the list, but for the empty
# page at its end, so that long latencies can do with fewer runs (RUNS). With several pages in
# flight the first and the last ones count, so that the list has to be long (RUNS_IN_FLIGHT).
plan=(0:200000:200000:5 50:200000:200000:1 100:60000:200000:1 300:60000:200000:1
    0:200000:200000:5:compact)
case ${1:-} in
    "") ;;
    --quick) plan=(0:5000:5000:1 5:5000:5000:1 0:5000:5000:1:compact) out=$work ;;
    *) plan=("$@") ;;
esac
for item in "${plan[@]}"; do
    [[ $item =~ ^[0-9]+(:[1-9][0-9]*){3}(:compact)?$ ]] ||
        fail "not LATENCY_MS:RUNS:RUNS_IN_FLIGHT:WALKS[:compact]: $item"
done

target=${CARGO_TARGET_DIR:-$here/target}
mkdir -p "$target"
target=$(realpath "$target")
install_clients "$target"
CARGO_TARGET_DIR=$target cargo build --quiet --locked --release --manifest-path "$here/Cargo.toml"
# Not through a proxy: everything is on this machine.
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

server=(taskset -c 0) client=(taskset -c 1)
if ! { "${server[@]}" true && "${client[@]}" true; } 2>/dev/null; then
    echo "No taskset, or no two cores: client and server share what there is." >&2
    server=(env) client=(env)
fi

# measure CLIENT IN_FLIGHT COMMAND…: lets a client walk for each item of the plan.
measure() {
    local name=$1 in_flight=$2 item latency runs many walks form seconds
    shift 2
    for item in "${plan[@]}"; do
        IFS=: read -r latency runs many walks form <<<"$item"
        form=${form:-indented}
        if [ "$in_flight" -gt 1 ]; then runs=$many; fi
        seconds=$("${server[@]}" "$target/release/measure" "$latency" "$runs" "$walks" \
            "$form" "${client[@]}" "$@") || fail "$name, $in_flight in flight, $latency ms, $form: no measurement"
        echo "$name, $in_flight in flight, $latency ms, $form: $runs runs in $seconds s" >&2
        echo "$name $in_flight $latency $form $runs $seconds" >>"$work/measured"
    done
}

SECONDS=0
measure python 1 "$python" "$here/walk.py"
measure javascript 1 node "$here/walk.mjs"
measure official 1 "$target/release/official"
measure by_hand 1 "$target/release/by_hand"
for in_flight in 1 8 16; do
    measure ours "$in_flight" "$target/release/ours" "$in_flight"
done
echo "$SECONDS s" >&2

"$python" "$here/results.py" "$out/results.json" "$work/measured" "${server[0]}"
"$python" "$here/plot.py" "$out/results.json" "$out/latency.svg"
