#!/bin/sh
# All checks that need no build: layers, formatting, lint, types. Runs each, fails if any fails.
set -u
cd "$(dirname "$0")/.." || exit 1
status=0
run() {
  echo "== $*"
  "$@" || status=1
}
run python3 tools/check_layers.py
run sh tools/format.sh --check
run ruff check .
# A stale cache reports errors that are not there.
run mypy --no-incremental
exit $status
