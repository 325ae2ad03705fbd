#!/usr/bin/env bash
# Runs the tests of syncs against a PostgreSQL server of its own, in a temporary folder.
#
# Needs Rust, openssl, and PostgreSQL's programs (Debian: postgresql). A server does not run as
# root: started by root, it runs as the user postgres, or nobody. Usage:
#   tests/sync/postgres.sh             all tests
#   tests/sync/postgres.sh TEST        one test
#   tests/sync/postgres.sh read-back   other programs read the databases: read_back.py
#   tests/sync/postgres.sh speed       measures: benches/sync.rs, speed.py
# The last two need Python and target/release/apify-runs: `cargo build --release`.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
    echo "$0: $*" >&2
    exit 1
}

bin=${POSTGRES_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)}
[ -x "$bin/postgres" ] || fail "PostgreSQL is missing (apt-get install postgresql)"
command -v openssl >/dev/null || fail "openssl is missing"
as=()
if [ "$(id -u)" = 0 ]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    as=(runuser -u "$user" --)
fi

case ${1:-} in
    read-back | speed) ;;
    *) cargo test --locked --test sync --test cli --no-run ;;
esac

folder=$(mktemp -d)
[ ${#as[@]} = 0 ] || chown "$user" "$folder"
chmod 755 "$folder"
data=$folder/data
password=$folder/password
trap '"${as[@]}" "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

echo secret-of-the-test >"$password"
chmod 644 "$password"
cd "$folder"
"${as[@]}" "$bin/initdb" -D "$data" -U postgres --pwfile="$password" --encoding=UTF8 \
    --auth-local=trust --auth-host=scram-sha-256 --no-sync >/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=CA of the test" \
    -keyout root.key -out root.crt 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr 2>/dev/null
echo subjectAltName=DNS:localhost >server.ext
openssl x509 -req -in server.csr -CA root.crt -CAkey root.key -CAcreateserial -days 2 \
    -extfile server.ext -out server.crt 2>/dev/null
mv server.crt server.key "$data/"
chmod 600 "$data/server.key"
[ ${#as[@]} = 0 ] || chown "$user" "$data/server.key"
chmod 644 root.crt
port=$(python3 -c '
import socket
with socket.socket() as each:
    each.bind(("127.0.0.1", 0))
    print(each.getsockname()[1])')
cat >>"$data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
ssl = on
fsync = ${POSTGRES_FSYNC:-off}
CONF

# Kills the server, as a crash does, and starts it again.
cat >"$folder/restart" <<RESTART
#!/usr/bin/env bash
set -euo pipefail
cd "$folder"
kill -9 "\$(head -n 1 "$data/postmaster.pid")"
for try in \$(seq 300); do
    sleep 0.1
    ${as[*]} "$bin/pg_ctl" -D "$data" -l "$folder/log" -w start >/dev/null 2>&1 && exit 0
done
exit 1
RESTART
chmod 755 "$folder/restart"
"${as[@]}" "$bin/pg_ctl" -D "$data" -l "$folder/log" -w start >/dev/null || {
    cat "$folder/log" >&2
    fail "the server does not start"
}
cd - >/dev/null

export SYNC_POSTGRES_PORT=$port SYNC_POSTGRES_ROOT=$folder/root.crt
export SYNC_POSTGRES_RESTART=$folder/restart SYNC_POSTGRES_UID=$(id -u "${user:-$(id -un)}")
export SYNC_POSTGRES_ADDRESS="postgres://postgres:secret-of-the-test@127.0.0.1:$port/postgres"

# Syncs a list into both databases, which other programs then read.
read_back() {
    local target=${CARGO_TARGET_DIR:-target} runs=$folder/read-back
    local program=$target/release/apify-runs venv=$target/sync-venv
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/sync/requirements.txt
    mkdir "$runs"
    "$program" export --quiet --demo 20000 --out "$runs/runs.jsonl"
    "$program" sync --quiet --demo 20000 --to "sqlite:$runs/runs.db"
    "$program" sync --quiet --demo 20000 --to "$SYNC_POSTGRES_ADDRESS"
    "$venv/bin/python" tests/sync/read_back.py "$runs/runs.jsonl" "$runs/runs.db" "$SYNC_POSTGRES_ADDRESS"
}

case ${1:-} in
speed)
    cargo bench --quiet --locked --bench sync
    tests/sync/speed.py
    ;;
read-back) read_back ;;
?*) cargo test --locked --test sync -- --ignored "$1" ;;
*)
    cargo test --locked --test sync -- --ignored postgres:: --skip alone
    cargo test --locked --test sync -- --ignored postgres::alone
    # The program itself, killed again and again.
    cargo test --locked --test cli -- --ignored postgresql
    ;;
esac
