#!/usr/bin/env bash
# Exports the same runs as JSON lines, CSV and Parquet, and reads them back with DuckDB, pyarrow, jq and Python.
# Needs target/release/apify-runs: `cargo build --release`.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
venv=$(realpath "$target")/export-venv
python=$venv/bin/python
"$python" -m pip --version >/dev/null 2>&1 || python3 -m venv --clear "$venv"
"$python" -m pip install --quiet --disable-pip-version-check -r tests/export/requirements.txt
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for name in runs.jsonl runs.csv runs.parquet; do
    "$target/release/apify-runs" export --quiet --demo 20000 --part-rows 7000 --out "$folder/$name"
done
# So many parts that the manifest has segments.
"$target/release/apify-runs" export --quiet --demo 20000 --rate 1000 --page-size 30 --part-rows 1 \
    --out "$folder/many.parquet"
[ "$(jq .version "$folder/many.parquet/_manifest.json")" -eq 2 ]
[ "$(jq -s 'map(.id) | unique | length' "$folder/runs.jsonl")" -eq 20000 ]
"$python" tests/export/read_back.py \
    "$folder/runs.jsonl" "$folder/runs.csv" "$folder/runs.parquet" "$folder/many.parquet"
