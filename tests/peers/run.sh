#!/usr/bin/env bash
# Walks the emulator with a client of others and with ours, over a list that stands still and
# over one whose oldest runs are deleted meanwhile, and prints how many of the runs that were
# there throughout each one lost or got twice. Fails if the others do not get every run of a
# list that stands still (then the emulator is no Apify), or if ours ever misses one.
# Needs node and npm. Usage: tests/peers/run.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/../.."

runs=${1:-50000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd tests/peers/js && npm ci --silent --no-audit --no-fund)
cargo build --quiet --features emulator --example emulator --example export
examples=$(realpath "${CARGO_TARGET_DIR:-target}/debug/examples")

javascript() {
    node "$OLDPWD/tests/peers/js/walk.mjs" "$1" "$2" ids
}

# Our own example, as a user with an account runs it.
ours() {
    APIFY_TOKEN=$2 APIFY_API_BASE_URL=$1 "$examples/export" janedoe/my-actor >&2
    sed 's/^{"id":"\([^"]*\)".*/\1/' runs.jsonl >ids
}

# walk CLIENT DELETED: lets a client walk an emulator of its own, which deletes so many runs
# before every third request. Sets `lost` and `twice`.
walk() {
    local dir="$work/$1-$2"
    mkdir "$dir"
    mkfifo "$dir/stdin"
    # The emulator runs for as long as its standard input is open.
    "$examples/emulator" "$runs" "$dir/list" "$2" <"$dir/stdin" >"$dir/address" &
    local emulator=$!
    exec 3>"$dir/stdin"
    for _ in $(seq 100); do
        [ "$(wc -l <"$dir/address")" -ge 2 ] && break
        sleep 0.1
    done
    local base_url token
    { read -r base_url && read -r token; } <"$dir/address"
    cd "$dir"
    "$1" "$base_url" "$token"
    cd "$OLDPWD"
    exec 3>&-
    wait "$emulator"
    lost=$(comm -23 <(sort "$dir/list") <(sort "$dir/ids") | wc -l)
    twice=$(sort "$dir/ids" | uniq -d | wc -l)
    if [ "$2" -eq 0 ]; then
        cmp "$dir/list" "$dir/ids"
    fi
}

report=""
for deleted in 0 137; do
    for client in javascript ours; do
        walk "$client" "$deleted"
        report+=$(printf '%-12s %8d deleted  %6d lost  %6d twice' "$client" "$deleted" "$lost" "$twice")$'\n'
        if [ "$client" = ours ] && [ $((lost + twice)) -gt 0 ]; then
            echo "$report" >&2
            exit 1
        fi
    done
done
echo "of $runs runs, so many of the oldest deleted before every third request:"
printf '%s' "$report"
