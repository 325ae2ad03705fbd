#!/usr/bin/env bash
# Runs examples/spark/runs.py on Apache Spark, with executors in processes of their own, of which
# one is killed, and compares what it has written with an export by the program alone.
# Needs Java 17 and target/release/apify-runs: `cargo build --release`.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
venv=$(realpath "$target")/export-venv
python=$venv/bin/python
"$python" -m pip --version >/dev/null 2>&1 || python3 -m venv --clear "$venv"
"$python" -m pip install --quiet --disable-pip-version-check -r tests/spark/requirements.txt
PYSPARK_PYTHON=$python "$python" tests/spark/check.py "$(realpath "$target")/release/apify-runs"
