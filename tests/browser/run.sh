#!/usr/bin/env bash
# Plays a day at the desk in Chromium against target/debug/ringcard (or RINGCARD_BIN). Pictures go to
# the folder SCREENSHOTS, if it is set. Needs node, npm and chromium (tests/setup.sh test).
set -euo pipefail
cd "$(dirname "$0")"
[ -d node_modules/playwright-core ] || npm ci --no-audit --no-fund --loglevel=error
exec node --test --test-concurrency=1 --test-reporter=tap story.test.mjs
