#!/usr/bin/env bash
# Builds Espalier and trains, prunes and compresses a small network on Fashion-MNIST.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/setup.sh

require_packages "${build_packages[@]}" dataset-fashion-mnist

cmake --preset release -B build/quickstart -DESPALIER_TESTS=OFF
cmake --build build/quickstart --target espalier
build/quickstart/apps/espalier run apps/recipes/quickstart.toml --out runs/quickstart

echo
echo "The program is build/quickstart/apps/espalier. The run left its files in runs/quickstart:"
find runs/quickstart -type f | sort | sed 's/^/  /'
