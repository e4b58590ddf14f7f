#!/usr/bin/env bash
# C++ and CUDA files look as clang-format 14 with our .clang-format writes them. format.sh [TREE]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/sources.sh"
if ! command -v clang-format-14 >/dev/null; then
  echo "clang-format-14 is not installed"
  exit 77
fi
sources '*.h' '*.cpp' '*.cu' '*.cuh' | xargs -0 clang-format-14 --dry-run -Werror
echo "formatted"
