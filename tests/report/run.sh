#!/usr/bin/env bash
# Writes a report of generated runs, and checks it in Chromium: content, requests, sorting and searching,
# both colour schemes, narrow windows and paper. Screenshots are in target/report.
# Needs Node, and Chromium, which it installs as root on Debian.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
program=${APIFY_RUNS:-$target/debug/apify-runs}
[ -n "${APIFY_RUNS:-}" ] || cargo build --locked -p apify-runs-cli

if [ -z "${CHROMIUM:-}" ]; then
    command -v chromium >/dev/null || {
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
    }
    CHROMIUM=$(command -v chromium)
    export CHROMIUM
fi
(cd tests/report && npm ci --silent --no-audit --no-fund --prefer-offline)

mkdir -p "$target/report"
"$program" report --demo --out "$target/report/demo.html"
node tests/report/check.mjs "$target/report/demo.html" "$target/report"
