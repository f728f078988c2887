#!/usr/bin/env bash
# Prints the folder of the Python environment with schemathesis; makes it if it is not there. It is kept
# between checkouts, by the version of the list of packages.
set -euo pipefail
cd "$(dirname "$0")"
version=$(sha256sum requirements.txt | cut -c1-12)
venv=${XDG_CACHE_HOME:-$HOME/.cache}/ringcard/api-$version
if [ ! -f "$venv/.installed" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt >&2
    touch "$venv/.installed"
fi
echo "$venv"
