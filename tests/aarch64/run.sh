#!/usr/bin/env bash
# Compiles liblamella for 64-bit ARM and runs the tests of ops, engine and CPU kernels under qemu.
# run.sh [SECONDS, that one test may take]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for program in aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$program" >/dev/null && continue
  echo "$program is not installed (apt install g++-aarch64-linux-gnu qemu-user)"
  exit 77
done
launcher=()
! command -v ccache >/dev/null || launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
cmake --preset aarch64 -B build/aarch64 -DLAMELLA_WERROR=ON "${launcher[@]}"
cmake --build build/aarch64
ctest --test-dir build/aarch64 --output-on-failure --no-tests=error --timeout "${1:-900}"
