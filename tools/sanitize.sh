#!/bin/bash
# The C++ and Python tests under sanitizers: address + undefined, then thread, each built in a
# folder of its own ($DIR/sanitize-NAME; DIR is build unless set). Slow, so not part of CI.
#
#   tools/sanitize.sh [asan|tsan ...] [-- pytest arguments]
#
# Arguments after -- replace the Python test files that are run; else asan runs all, and tsan those
# in which threads meet. asan then damages saved functions for FUZZ seconds (60 unless set).
# QUICK=1 sanitizes everything but what is compiled once per instruction set, which takes most of
# the time. PYTHON names the interpreter whose environment has the build and test packages; JOBS the
# number of compile jobs.
set -u
cd "$(dirname "$0")/.." || exit 1
dir=${DIR:-$PWD/build}
python=${PYTHON:-python3}
jobs=${JOBS:-$(nproc)}
kinds=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  kinds+=("$1")
  shift
done
[ $# -gt 0 ] && shift
[ ${#kinds[@]} -gt 0 ] || kinds=(asan tsan)
bin=$(dirname "$("$python" -c 'import sys; print(sys.executable)')")
export PATH="$bin:$PATH"
status=0
with_isa=ON
[ -n "${QUICK:-}" ] && with_isa=OFF
threaded=(tests/python/test_{concurrency,concurrent_loops,limits,call_path,shared,profile_trace}.py
  tests/python/test_{python_ops,save_load,handles,failure_atomicity,memory}.py)

# The interpreter is not sanitized: the sanitizer must be loaded before it, and libstdc++ with it,
# or the first C++ exception would not find the sanitizer's interceptors.
preload() {
  echo "$(gcc -print-file-name="$1"):$(gcc -print-file-name=libstdc++.so)"
}

# Python with the sanitized package.
in_python() {
  LD_PRELOAD=$(preload $runtime) PHINTYS_SANITIZED=$kind PYTHONPATH=$build/engine \
    PYTHONMALLOC=malloc "$python" "$@"
}

for kind in "${kinds[@]}"; do
  case $kind in
    asan) flags=address,undefined runtime=libasan.so ;;
    tsan) flags=thread runtime=libtsan.so ;;
    *) echo "usage: $0 [asan|tsan ...] [-- pytest arguments]" >&2; exit 2 ;;
  esac
  build=$dir/sanitize-$kind
  package=$build/engine/phintys
  echo "== $kind: build"
  cmake -S . -B "$build" -G Ninja -DPHINTYS_SANITIZE=$flags -DPHINTYS_SANITIZE_ISA=$with_isa \
    -DPHINTYS_BUILD_TESTS=ON -DPHINTYS_CUDA=OFF -DPython_EXECUTABLE="$(command -v "$python")" \
    -DPython_ROOT_DIR="$(dirname "$bin")" -DCMAKE_INSTALL_PREFIX="$package" >"$build.log" 2>&1 &&
    ninja -C "$build" -j"$jobs" >>"$build.log" 2>&1 || { tail -30 "$build.log"; exit 1; }
  # Without the libraries of another build, which installing might take for up to date.
  rm -rf "$build/engine" && mkdir -p "$build/engine" && cp -r engine/phintys "$build/engine/" &&
    rm -f "$package"/*.so "$package"/lib/*.so* && cmake --install "$build" \
    >>"$build.log" 2>&1 || exit 1

  # Python itself leaks at exit by design. NumPy and the interpreter are not instrumented; threads
  # of the BLAS in NumPy would be reported.
  export OPENBLAS_NUM_THREADS=1
  export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
  export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  # The C library frees what thread-local variables of a thread took when another reuses its stack.
  echo "race:_dl_deallocate_tls" >"$build/tsan.supp"
  TSAN_OPTIONS=allocator_may_return_null=1:die_after_fork=0:halt_on_error=0:exitcode=66
  export TSAN_OPTIONS=$TSAN_OPTIONS:suppressions=$build/tsan.supp
  echo "== $kind: C++ tests"
  ctest --test-dir "$build" --output-on-failure -E '^isa_symbols' || status=1
  echo "== $kind: Python tests"
  files=("$@")
  [ $# -gt 0 ] || files=(tests/python)
  [ $# -gt 0 ] || [ $kind = asan ] || files=("${threaded[@]}")
  in_python -m pytest -q -p no:cacheprovider -p no:xdist "${files[@]}" || status=1
  [ $kind = asan ] && [ "${FUZZ:-60}" -gt 0 ] || continue
  echo "== $kind: damaged files"
  rm -rf "$build/seeds" && in_python tests/cpp/fuzz/seeds.py "$build/seeds" &&
    (cd "$build" && tests/fuzz_load seeds "${FUZZ:-60}" "$RANDOM") || status=1
done
exit $status
