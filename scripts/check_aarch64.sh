#!/usr/bin/env bash
# Whether the engine compiles for AArch64, warnings as errors: with Debian's g++-aarch64-linux-gnu, which finds what
# no processor differs in (Highway, fmt, JSON) among this machine's own headers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compiler=aarch64-linux-gnu-g++
command -v "$compiler" >/dev/null || { echo "no $compiler: apt-get install g++-aarch64-linux-gnu" >&2; exit 1; }

objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
flags=(-std=c++20 -O2 -fopenmp -Wall -Wextra -Wpedantic -Wshadow -Wno-missing-field-initializers -Werror -I.
  -idirafter /usr/include -DFMT_HEADER_ONLY -DSPDLOG_FMT_EXTERNAL -DTOML_HEADER_ONLY=0)
find core -name '*.cpp' -print0 | sort -z |
  xargs -0 -P "$(nproc)" -I{} sh -c '"$@" -c "$0" -o "'"$objects"'/$(echo "$0" | tr / -).o"' {} "$compiler" "${flags[@]}"

kernels=$(aarch64-linux-gnu-nm -C "$objects"/*_kernel.cpp.o | grep -c 'N_NEON::' || true)
if [ "$kernels" -eq 0 ]; then echo "no kernel was compiled for NEON" >&2; exit 1; fi
echo "$(find "$objects" -name '*.o' | wc -l) files of the engine compile for AArch64, with NEON's vector kernels"
