#!/usr/bin/env bash
# clang-tidy on every source file of a build folder's compile_commands.json, tests and benches
# apart. tidy.sh BUILD_FOLDER [FILE_PATTERN]
set -euo pipefail
build=$(cd "$1" && pwd)
pattern=${2:-.}
set --
source "$(dirname "${BASH_SOURCE[0]}")/sources.sh"
if ! command -v clang-tidy-14 >/dev/null; then
  echo "clang-tidy-14 is not installed"
  exit 77
fi
sed -n 's/^ *"file": "\(.*\)",\?$/\1/p' "$build/compile_commands.json" | sort -u |
  grep -E "^$PWD/(engine|layers|models|weights|io|train|tools|kernels/cpu)/.*\.cpp$" |
  grep -E "$pattern" |
  xargs -r -n 1 -P "$(nproc)" clang-tidy-14 -p "$build" --quiet
