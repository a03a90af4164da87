#!/bin/bash
# Everything that only a machine with a GPU can answer, in one go.
#
#   tools/gpu_check.sh [-o FOLDER] [STEP ...]
#
# Steps, in this order; all unless some are named:
#   info      the card, the driver, the compiler
#   build     the package in place, for this card
#   test      the tests of devices, on the card and emulated
#   memcheck  a part of them under compute-sanitizer: accesses outside memory, misaligned ones
#   racecheck the same part: threads of a block that meet in shared memory
#   initcheck the same part: reads of device memory that nothing has written
#   bench     benchmarks/gpu
#
# What they write is kept in FOLDER ($OUT, or else build/gpu): report.txt, to which every run adds,
# and the benchmarks' figures.json and figures.md. The script goes on after a failed step, save build, and says at the end which failed.
# PYTHON names the interpreter; WHEELS a folder of packages for it, for machines without a network;
# JOBS the number of compile jobs; LIMIT the seconds after which a step is stopped (580 unless set);
# ARCH the card's architecture if it is not to be asked for; TESTS what the sanitizers run;
# BENCH arguments for benchmarks/gpu/run.py, such as "--cases chains rows".
set -u
cd "$(dirname "$0")/.." || exit 1
out=${OUT:-build/gpu}
if [ "${1:-}" = -o ]; then
  out=$2
  shift 2
fi
mkdir -p "$out"
python=${PYTHON:-python3}
jobs=${JOBS:-$(nproc)}
limit=${LIMIT:-580}
tests=${TESTS:-tests/python/test_device_*.py}
PATH=$PATH:/usr/local/cuda/bin
export PYTHONUNBUFFERED=1 PYTHONPATH=$PWD/engine

step_info() {
  nvidia-smi --query-gpu=name,memory.total,driver_version,compute_cap --format=csv
  nvcc --version | tail -2
  "$python" --version
  git log -1 --format='%H %s' 2>/dev/null
  if [ -f engine/phintys/lib/libphintys.so.0 ]; then "$python" -m phintys --info; fi
}

step_build() {
  if [ -n "${WHEELS:-}" ]; then
    "$python" -m pip install -q --no-index --find-links "$WHEELS" "$WHEELS"/*.whl || return 1
  fi
  local arch=${ARCH:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)}
  local options="-DPHINTYS_CUDA=ON -DPHINTYS_EMULATED=ON -DCMAKE_CUDA_ARCHITECTURES=${arch}-real"
  PHINTYS_CMAKE_ARGS="$options ${PHINTYS_CMAKE_ARGS:-}" PHINTYS_BUILD_JOBS=$jobs \
    "$python" setup.py build_ext --inplace
}

# pytest, by the interpreter that the arguments start; its arguments are in the array `args`.
in_tests() {
  "$@" -m pytest -q --maxfail=20 -p no:cacheprovider "${args[@]}"
}

step_test() {
  local args=(tests/python -m gpu)
  in_tests "$python" || return 1
  # shellcheck disable=SC2206
  args=($tests)
  in_tests "$python"
}

# compute-sanitizer and its options. The tests of bad operands make CUDA fail on purpose: errors of
# its interface are no findings.
sanitized() {
  local args
  # shellcheck disable=SC2206
  args=($tests -m gpu)
  in_tests compute-sanitizer "$@" --error-exitcode 9 --target-processes application-only \
    --report-api-errors no "$python"
}

step_memcheck() { sanitized --tool memcheck --leak-check no; }
step_racecheck() { sanitized --tool racecheck; }
step_initcheck() { sanitized --tool initcheck; }

step_bench() {
  # shellcheck disable=SC2086
  "$python" benchmarks/gpu/run.py --output "$out/figures" --phintys-path "$PWD/engine" ${BENCH:-}
}

out=$(cd "$out" && pwd)
[ $# -gt 0 ] || set -- info build test memcheck racecheck initcheck bench
failed=""
for step in "$@"; do
  if ! declare -F "step_$step" > /dev/null; then
    echo "no step is called $step" >&2
    exit 2
  fi
  echo "== $step"
  start=$SECONDS
  export -f "step_$step" in_tests sanitized
  export python jobs tests out
  log=$(mktemp)
  timeout -k 10 "$limit" bash -c "step_$step" > "$log" 2>&1
  status=$?
  tail -n 25 "$log"
  result="== $step: exit $status after $((SECONDS - start)) s"
  echo "$result"
  { echo "$result"; cat "$log"; echo; } >> "$out/report.txt"
  rm -f "$log"
  if [ $status -ne 0 ]; then
    failed="$failed $step"
    [ "$step" != build ] || break
  fi
done
if [ -n "$failed" ]; then
  echo "failed:$failed"
  exit 1
fi
