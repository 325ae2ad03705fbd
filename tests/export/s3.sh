#!/usr/bin/env bash
# Runs the tests of exports into S3 against moto, a server that speaks its protocol, on this
# machine. The tests reach it through a proxy of their own, which loses responses.
#
# Needs Rust, and Python 3 with venv. Usage: tests/export/s3.sh [TEST]
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
    echo "$0: $*" >&2
    exit 1
}

python3 -c 'import ensurepip, venv' 2>/dev/null ||
    fail "python3 -m venv is missing (python3-venv)"
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
venv=$(realpath "$target")/export-venv
python=$venv/bin/python
"$python" -m pip --version >/dev/null 2>&1 || python3 -m venv --clear "$venv"
"$python" -m pip install --quiet --disable-pip-version-check -r tests/export/requirements.txt

# Not through a proxy: everything is on this machine.
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
# Nothing of whoever runs this. The values are unlike anything else that is printed.
for name in ${!AWS_*}; do
    unset "$name"
done
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export AWS_ACCESS_KEY_ID=AKIAKEYOFTHETEST AWS_SECRET_ACCESS_KEY=secret-of-the-test
export AWS_SESSION_TOKEN=session-token-of-the-test AWS_REGION=us-east-1 AWS_ALLOW_HTTP=true
export S3_TEST_BUCKET=exports

cargo test --locked --test export --test cli --no-run

# Two free ports: for the server, and for the proxy before it.
read -r port proxy_port < <("$python" -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for each in sockets:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in sockets))')
export S3_TEST_SERVER=127.0.0.1:$port AWS_ENDPOINT_URL=http://127.0.0.1:$proxy_port

log=$(mktemp)
"$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -f "$log"' EXIT
trap 'exit 130' INT TERM

"$python" - "http://$S3_TEST_SERVER" "$S3_TEST_BUCKET" <<'PYTHON' || { cat "$log" >&2; fail "the server does not answer"; }
import sys
import time
import urllib.request

import boto3

endpoint, bucket = sys.argv[1:]
deadline = time.monotonic() + 60
while True:
    try:
        urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5).read()
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.1)
boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=bucket)
PYTHON

cargo test --locked --test export -- --ignored "${1:-s3}"
# The program itself, killed again and again: nothing gets lost on the way to the server here.
[ $# -gt 0 ] ||
    AWS_ENDPOINT_URL=http://$S3_TEST_SERVER cargo test --locked --test cli -- \
        --ignored --nocapture on_s3
