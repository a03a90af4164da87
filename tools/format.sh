#!/bin/sh
# Formats all C++ and Python sources; with --check only says what is not formatted.
set -eu
cd "$(dirname "$0")/.."
status=0
if [ "${1:-}" = "--check" ]; then
  cpp_mode="--dry-run --Werror"
  py_mode="--check"
else
  cpp_mode="-i"
  py_mode=""
fi
# shellcheck disable=SC2086
find csrc cuda tests \( -name '*.h' -o -name '*.hpp' -o -name '*.cpp' -o -name '*.cu' \
  -o -name '*.cuh' \) -print0 | xargs -0 -r clang-format $cpp_mode || status=1
# shellcheck disable=SC2086
ruff format $py_mode . || status=1
exit $status
