#!/usr/bin/env bash
# Compiles every header of csrc on its own: a header must include what it uses.
set -eu
cd "$(dirname "$0")/.."
for h in $(find csrc/base csrc/array csrc/graph csrc/ops csrc/autodiff csrc/passes csrc/runtime csrc/vm -name '*.h'); do
  echo "#include \"${h#csrc/}\"" | "${CXX:-g++}" -std=c++20 -fsyntax-only -Icsrc -x c++ - || exit 1
done
