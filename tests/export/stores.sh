#!/usr/bin/env bash
# Runs the tests of exports into object storage against servers on this machine: S3 by moto, Azure by
# Azurite, and Google Cloud Storage by gcs_server.py. The tests reach them through a proxy of their
# own, which loses responses.
#
# Needs Rust, Python 3 with venv, and Node for Azure. Usage: tests/export/stores.sh [TEST]. The variable
# STORES names the services to test: "s3 gcs azure" is all of them, and the default.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
    echo "$0: $*" >&2
    exit 1
}

stores=${STORES:-s3 gcs azure}
for store in $stores; do
    case $store in
        s3 | gcs) ;;
        azure) command -v npm >/dev/null || fail "npm is missing" ;;
        *) fail "STORES has $store: it must be of s3, gcs and azure" ;;
    esac
done
python3 -c 'import ensurepip, venv' 2>/dev/null ||
    fail "python3 -m venv is missing (python3-venv)"
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
venv=$(realpath "$target")/export-venv
python=$venv/bin/python
"$python" -m pip --version >/dev/null 2>&1 || python3 -m venv --clear "$venv"
"$python" -m pip install --quiet --disable-pip-version-check -r tests/export/requirements.txt
node=$(realpath "$target")/export-node
if [[ $stores == *azure* ]] &&
    ! cmp -s tests/export/package-lock.json "$node/installed.json"; then
    mkdir -p "$node"
    cp tests/export/package.json tests/export/package-lock.json "$node"
    (cd "$node" && npm ci --silent --no-audit --no-fund --prefer-offline --ignore-scripts)
    cp tests/export/package-lock.json "$node/installed.json"
fi

# Not through a proxy: everything is on this machine.
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
# Nothing of whoever runs this. The values are unlike anything else that is printed.
for name in ${!AWS_*} ${!AZURE_*} ${!GOOGLE_*}; do
    unset "$name"
done

cargo test --locked --test export --test cli --no-run

# Free ports: for each server, for the proxy before it, and for one more.
read -r s3 gcs azure proxy_s3 proxy_gcs proxy_azure proxy_slow < <("$python" -c '
import socket
sockets = [socket.socket() for _ in range(7)]
for each in sockets:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in sockets))')

log=$(mktemp)
slow_log=$(mktemp)
pids=()
end() {
    kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -f "$log" "$slow_log"
}
trap end EXIT
trap 'exit 130' INT TERM

# The settings of each service. The first argument is the port of the server or of the proxy.
settings_s3() {
    export STORE_TEST_URL=s3://BUCKET STORE_TEST_SERVER=127.0.0.1:$s3
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
    export AWS_ACCESS_KEY_ID=AKIAKEYOFTHETEST AWS_SECRET_ACCESS_KEY=secret-of-the-test
    export AWS_SESSION_TOKEN=session-token-of-the-test AWS_REGION=us-east-1 AWS_ALLOW_HTTP=true
    export AWS_ENDPOINT_URL=http://127.0.0.1:$1
}
settings_gcs() {
    export STORE_TEST_URL=gs://BUCKET STORE_TEST_SERVER=127.0.0.1:$gcs
    export GOOGLE_BASE_URL=http://127.0.0.1:$1 GOOGLE_BEARER_TOKEN=bearer-of-the-test
}
settings_azure() {
    export STORE_TEST_URL=abfss://BUCKET@accountofthetest.dfs.core.windows.net
    export STORE_TEST_SERVER=127.0.0.1:$azure
    export AZURE_STORAGE_USE_EMULATOR=true AZURITE_BLOB_STORAGE_URL=http://127.0.0.1:$1
    export AZURE_STORAGE_ACCOUNT_NAME=accountofthetest
    # Base64 of "key of the test".
    export AZURE_STORAGE_ACCOUNT_KEY=a2V5IG9mIHRoZSB0ZXN0
}

server_s3() {
    exec "$venv/bin/moto_server" -H 127.0.0.1 -p "$s3"
}
server_gcs() {
    exec "$python" tests/export/gcs_server.py "$gcs" bearer-of-the-test
}
server_azure() {
    AZURITE_ACCOUNTS=accountofthetest:a2V5IG9mIHRoZSB0ZXN0 exec node \
        "$node/node_modules/azurite/dist/src/blob/main.js" --blobHost 127.0.0.1 \
        --blobPort "$azure" --inMemoryPersistence --skipApiVersionCheck --silent
}
for store in $stores; do
    "server_$store" >>"$log" 2>&1 &
    pids+=($!)
    ("settings_$store" "${!store}" && "$python" tests/export/create_buckets.py "$store") ||
        { cat "$log" >&2; fail "the server of $store does not respond"; }
done

# test_library STORE ARGUMENT…
test_library() {
    local proxy=proxy_$1
    "settings_$1" "${!proxy}"
    STORE_TEST_PROXY=127.0.0.1:${!proxy} cargo test --locked --test export -- --ignored "${@:2}"
}

# The program itself, killed again and again: nothing gets lost on the way to the server here.
test_program() {
    "settings_$1" "${!1}"
    [ "$1" = s3 ] || export CRASH_KILLS=7
    cargo test --locked --test cli -- --ignored --nocapture in_a_store
}

# on_each_store TEST ARGUMENT…
on_each_store() {
    local store
    for store in $stores; do
        ("$1" "$store" "${@:2}")
    done
}

if [ $# -gt 0 ]; then
    on_each_store test_library "$1"
    exit
fi
# They take a minute, in which the others are done: until a server is given up, and hundreds of parts
# one by one.
slow=
if [[ $stores == *s3* ]]; then
    proxy_s3=$proxy_slow test_library s3 waited_for segment >"$slow_log" 2>&1 &
    slow=$!
    pids+=("$slow")
fi
on_each_store test_library stores --skip waited_for --skip segment
on_each_store test_program
[ -z "$slow" ] || wait "$slow" || { cat "$slow_log"; exit 1; }
