#!/usr/bin/env bash
# Builds and runs the tests: ./test.sh, or ./test.sh asan for a build with sanitizers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

preset=${1:-dev}
case $preset in
  dev | release | asan) ;;
  *) echo "usage: $0 [dev|release|asan]" >&2; exit 2 ;;
esac

source scripts/setup.sh
require_packages "${build_packages[@]}" catch2

cmake --preset "$preset"
cmake --build --preset "$preset"
ctest --preset "$preset" -j "$(nproc)"
