#!/usr/bin/env bash
# What can be known of the CUDA backend without a GPU: every kernel compiles for every architecture with warnings
# as errors and keeps its variables in registers, the library links, and the program that loads it lacks nothing
# it asks for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source scripts/setup.sh
cmake --preset cuda >/dev/null
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A file that is up to date is not compiled, and then ptxas says nothing.
find build/cuda/cuda/CMakeFiles/espalier_cuda.dir -name '*.cu.o' -delete 2>/dev/null || true
if ! cmake --build --preset cuda --target espalier_cuda --verbose >"$log" 2>&1; then
  grep -vE '^\[|ptxas info' "$log" | tail -50
  exit 1
fi

kernels=$(grep -c 'Compiling entry function' "$log" || true)
spills=$(grep -E '[1-9][0-9]* bytes spill' "$log" || true)
if [ "$kernels" -eq 0 ] || [ -n "$spills" ]; then
  grep -E 'Compiling entry function|[1-9][0-9]* bytes spill' "$log" | grep -B1 spill || true
  echo "$kernels kernels were compiled; none may spill registers" >&2
  exit 1
fi
echo "$kernels kernels compiled, none spills"

# Any build of the program will do; ./test.sh has made one.
program=$(ls build/{dev,release}/apps/espalier 2>/dev/null | head -1 || true)
if [ -z "$program" ]; then
  cmake --build --preset cuda --target espalier >/dev/null
  program=build/cuda/apps/espalier
fi
answer=$(LD_LIBRARY_PATH=build/cuda/lib:${LD_LIBRARY_PATH:-} "$program" devices | grep '^cuda')
echo "$answer"
if grep -qE 'undefined symbol|neither beside' <<<"$answer"; then exit 1; fi
