#!/usr/bin/env bash
# Lets each fuzz target run for so many seconds (60, if nothing is said), or only the targets that
# are named: `fuzz/run.sh 600 page walk`. New inputs go to fuzz/found; one that fails, to
# fuzz/artifacts. Needs `cargo install cargo-fuzz`; a stable compiler is enough, as nothing here is
# `unsafe` that a sanitizer could watch.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls fuzz/corpus)
for target in "${targets[@]}"; do
    mkdir -p "fuzz/found/$target"
    cargo fuzz run --sanitizer none "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=20000 -rss_limit_mb=1024 -timeout=10
done
