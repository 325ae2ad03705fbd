# Sourced by .ci/run and .ci/nightly: what a bare machine lacks, and the time that each step takes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_COLOR=never DEBIAN_FRONTEND=noninteractive
# Incremental builds do not help in a clean checkout.
export CARGO_INCREMENTAL=0
# More threads than cores: many tests wait most of the time.
export RUST_TEST_THREADS=${RUST_TEST_THREADS-$((2 * $(nproc)))}
# A test that needs a program that is missing fails. Set to nothing, it is left out.
export APIFY_RUNS_TESTS_SKIP_NOTHING=${APIFY_RUNS_TESTS_SKIP_NOTHING-1}
# One target folder for every package: what they have in common is built once.
mkdir -p "${CARGO_TARGET_DIR:-target}"
target=$(realpath "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target

times=()
current=

# step NAME: begins a step, and ends the one before.
step() {
    end_step
    current=$* began=$SECONDS
    echo
    echo "=== $*"
}

end_step() {
    [ -z "$current" ] || times+=("$((SECONDS - began)) $current")
    current=
}

# Prints how long each step took, longest first, also if one failed.
report() {
    local status=$?
    end_step
    echo
    echo "=== seconds of each step, of $SECONDS in all"
    printf '%s\n' "${times[@]}" | sort -rn
    [ "$status" -eq 0 ] || echo "=== failed"
}
trap report EXIT

lint() {
    echo "clippy $*"
    cargo clippy --quiet --locked "$@" -- -D warnings
}

# The minimum supported Rust version.
minimum_rust() {
    sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml
}

# The packages that have a Cargo.lock of their own.
peers=(tests/peers/rust/Cargo.toml benches/peers/Cargo.toml)

has() {
    command -v "$1" >/dev/null 2>&1
}

java_is_new_enough() {
    local version
    version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 17 ]
}

# Installs what a bare machine with Rust lacks: as root on Debian 12, Ubuntu 24.04 or newer.
install_missing() {
    # PostgreSQL for syncs, Python to read exports back, and programs that tests of the command line
    # use.
    local packages=() program
    has cc || packages+=(gcc libc6-dev)
    has jq || packages+=(jq)
    has openssl || packages+=(openssl)
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || packages+=(postgresql)
    has script || packages+=(bsdutils)
    for program in faketime fish groff strace zsh; do
        has "$program" || packages+=("$program")
    done
    python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
    install_packages "${packages[@]}"
}

# Installs what the long variants need besides: Node for the clients of others and Azure, Java for
# Spark.
install_missing_for_long() {
    local packages=()
    has npm || packages+=(nodejs npm)
    java_is_new_enough || packages+=(default-jre-headless)
    install_packages "${packages[@]}"
}

# Installs packages of Debian, if any.
install_packages() {
    [ $# -gt 0 ] || return 0
    echo "installs $*"
    apt-get update -qq
    apt-get install -y -qq "$@"
}
