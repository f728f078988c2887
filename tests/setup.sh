#!/usr/bin/env bash
# setup.sh build|test|arm64: installs what building, testing, or building for arm64, needs and is not there yet.
#
# Everything is looked for first, so that a second run takes no time and asks for nothing. Packages
# come from Debian and need root: as root they are installed, otherwise through sudo if it asks for
# no password, otherwise the command to type is printed.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { # need COMMAND PACKAGE...: the packages, if the command is not there
    local command=$1
    shift
    command -v "$command" >/dev/null 2>&1 || missing+=("$@")
}

install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    local install=(apt-get install -y --no-install-recommends "${missing[@]}")
    local as=()
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            as=(sudo -n)
        else
            echo "Missing: ${missing[*]}. Installing needs root. Please run:" >&2
            echo "    sudo apt-get update && sudo ${install[*]}" >&2
            exit 1
        fi
    fi
    echo "setup: installing ${missing[*]}"
    "${as[@]}" apt-get update -q
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}"
    missing=()
}

postgres_tools() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

build() {
    if ! command -v cargo >/dev/null 2>&1; then
        echo "A Rust toolchain (cargo) is needed: https://rustup.rs" >&2
        exit 1
    fi
    need cc gcc libc6-dev # SQLite and the TLS library are compiled from C
    install_missing
}

tests() {
    need cc gcc libc6-dev
    need sipp sip-tester
    need node nodejs
    need npm npm
    need chromium chromium fonts-dejavu-core
    need python3 python3 python3-venv
    # Debian cuts it off: python3 may be there without what makes environments.
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    if ! postgres_tools; then
        # postgresql alone would start a server of its own; the tests start private ones.
        missing+=(postgresql)
    fi
    install_missing

    if [ -f tests/browser/package-lock.json ]; then
        # npm ci always starts over, so it runs only when the lock file is newer than what is there.
        local stamp=tests/browser/node_modules/.installed
        if [ ! -f "$stamp" ] || [ tests/browser/package-lock.json -nt "$stamp" ]; then
            PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --prefix tests/browser --no-audit --no-fund
            touch "$stamp"
        fi
    fi
    tests/api/venv.sh >/dev/null # schemathesis, which asks the API everything
    if [ -x tests/asterisk/chroot.sh ]; then
        tests/asterisk/chroot.sh
    fi
}

arm64() {
    need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    need qemu-aarch64-static qemu-user-static # runs what was built, on another processor
    install_missing
    if ! [ -d "$(rustc --print sysroot)/lib/rustlib/aarch64-unknown-linux-gnu" ]; then
        command -v rustup >/dev/null 2>&1 || {
            echo "The Rust library for aarch64-unknown-linux-gnu is needed, and there is no rustup to add it" >&2
            exit 1
        }
        rustup target add aarch64-unknown-linux-gnu
    fi
}

case "${1:-}" in
build) build ;;
test) build && tests ;;
arm64) build && arm64 ;;
*)
    echo "usage: tests/setup.sh build|test|arm64" >&2
    exit 2
    ;;
esac
