#!/usr/bin/env bash
# Runs every test and ends with one line that says how many passed and failed.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT

cargo test --locked --no-fail-fast "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

# The stories of a real Asterisk once more, on the other store.
if [ $# -eq 0 ] && [ "${RINGCARD_STORIES:-}" = both ]; then
    RINGCARD_STORIES_ON=postgres cargo test --locked --no-fail-fast --test it asterisk:: 2>&1 | tee -a "$log"
    stories=${PIPESTATUS[0]}
    [ "$status" -ne 0 ] || status=$stories
fi

# The pages in a real browser, with the binary that the tests above have built.
if [ $# -eq 0 ]; then
    export RINGCARD_BIN=${RINGCARD_BIN:-$(realpath "${CARGO_TARGET_DIR:-target}")/debug/ringcard}
    tests/browser/run.sh 2>&1 | tee -a "$log"
    browser=${PIPESTATUS[0]}
    [ "$status" -ne 0 ] || status=$browser
    # The API against its own document.
    tests/api/run.sh 2>&1 | tee -a "$log"
    api=${PIPESTATUS[0]}
    [ "$status" -ne 0 ] || status=$api
fi

# What went wrong once more, in short: a log of this length is rarely read whole.
if [ "$status" -ne 0 ]; then
    awk '/^---- .* stdout ----$/ || /^not ok / { lines = 20 } lines-- > 0 { print substr($0, 1, 400) }' "$log"
fi

# test result: ok. 12 passed; 0 failed; 0 ignored; ...
awk '/^test result:/ {
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^passed/) passed += $(i - 1)
            if ($i ~ /^failed/) failed += $(i - 1)
            if ($i ~ /^ignored/) skipped += $(i - 1)
        }
    }
    # The runners of the browser and API tests: "# pass 7", "# fail 0", "# skipped 0".
    /^# (pass|fail|skipped) [0-9]+$/ {
        if ($2 == "pass") passed += $3
        if ($2 == "fail") failed += $3
        if ($2 == "skipped") skipped += $3
    }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$log"
exit "$status"
