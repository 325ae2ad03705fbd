#!/usr/bin/env bash
# Walks the run list of the emulator with Apify's official clients and with ours, while the
# list changes in one way after the other, and prints how many runs each one lost and
# repeated. Lost are runs that were on the list from the first request to the last and did not
# come; in late-rows, where there are two walks, runs that were on it at the end. Repeated are
# runs that came again. tests/peers/rust/src/bin/service.rs has the scenarios; the walkers
# show how each client is used: as its documentation says for all runs.
#
# In no-usage, one row of a list that stands still has no `usageTotalUsd`. The walk of a client that
# refuses such a page ends there with an error. Its walker then goes on behind the page, by offset,
# and the table says `refused: `, with what was lost all the same.
#
# Fails if ours ever loses, repeats or refuses a run, and if another one does so on a list that
# stands still and whose rows are complete (then the emulator is no Apify).
#
# Needs Rust, node with npm, and Python 3.11 with venv. Usage: tests/peers/run.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/peers/install.sh

runs=${1:-50000}
[[ $runs =~ ^[1-9][0-9]*$ ]] || fail "RUNS must be a number from 1 on, not $runs"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Not through a proxy: everything is on this machine.
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

peers=$PWD/tests/peers
target=${CARGO_TARGET_DIR:-$peers/rust/target}
mkdir -p "$target"
target=$(realpath "$target")
install_clients "$target"
CARGO_TARGET_DIR=$target cargo build --quiet --locked --manifest-path "$peers/rust/Cargo.toml"

# walk SCENARIO CLIENT COMMAND…: lets a client walk a service of its own. Adds to `row`.
walk() {
    local scenario=$1 client=$2 cell cost
    shift 2
    rm -f "$work/ids"
    if ! "$target/debug/service" "$scenario" "$runs" "$work/ids" "$@" \
        >"$work/response" 2>"$work/log"; then
        cat "$work/log" >&2
        fail "$client could not walk $scenario"
    fi
    { read -r cell && read -r cost; } <"$work/response"
    echo "$scenario, $client: $cell, $cost" >&2
    row+=" $cell |"
    if [[ $cell = refused* ]]; then
        cat "$work/log" >&2
    fi
    if [[ $client = "this crate" || $scenario = no-change ]]; then
        [ "$cell" = "0 / 0" ] || wrong+=("$client, $scenario: $cell")
    elif [[ $cell = refused* && $scenario != no-usage ]]; then
        wrong+=("$client, $scenario: $cell")
    fi
}

table="| lost / repeated | JavaScript | Python | Rust (official) | this crate |"
table+=$'\n| --- | --: | --: | --: | --: |'
wrong=()
SECONDS=0
for scenario in no-change no-usage oldest-deleted random-deleted running-finish \
    inserts-descending late-rows page-cap; do
    row="| \`$scenario\` |"
    walk "$scenario" JavaScript node "$peers/js/walk.mjs"
    walk "$scenario" Python "$python" "$peers/python/walk.py"
    walk "$scenario" "Rust (official)" "$target/debug/official"
    walk "$scenario" "this crate" "$target/debug/ours"
    table+=$'\n'$row
done
echo "$runs runs: $SECONDS s" >&2
echo "$table"
if [ ${#wrong[@]} -gt 0 ]; then
    fail "$(printf '\n  %s' "${wrong[@]}")"
fi
