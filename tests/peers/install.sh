# Sourced by the scripts that run Apify's official clients: checks what they need, and installs
# the JavaScript and the Python client in the versions that are pinned here.

fail() {
    echo "$0: $*" >&2
    exit 1
}

# install_clients TARGET: Python's packages are kept in TARGET, where cargo keeps what it has
# built. Sets `python`.
install_clients() {
    local peers program
    peers=$(dirname "${BASH_SOURCE[0]}")
    for program in cargo node npm python3; do
        command -v "$program" >/dev/null || fail "$program is missing"
    done
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "python3 is older than 3.11"
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        fail "python3 -m venv is missing (python3-venv)"
    (cd "$peers/js" && npm ci --silent --no-audit --no-fund --prefer-offline)
    python=$1/peers-python/bin/python
    "$python" -m pip --version >/dev/null 2>&1 || python3 -m venv --clear "$1/peers-python"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$peers/python/requirements.txt"
}
