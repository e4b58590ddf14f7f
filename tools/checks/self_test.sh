#!/usr/bin/env bash
# The checks of this folder find what they are for: each is run on a small tree with one fault in
# it, which it must name, and on the same tree without the fault, which it must pass.
set -euo pipefail
checks=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

lines() { for ((i = 0; i < $1; ++i)); do printf "%s\n" "$2"; done; }

# expect CHECK WORDS FILE: FILE, read from stdin, makes CHECK fail and print WORDS.
expect() {
  local check=$checks/$1.sh output
  rm -rf "${tree:?}"/*
  mkdir -p "$tree"/{engine,kernels/cpu,io,examples}
  cp "$checks/../../.clang-format" "$tree"
  printf '// A file.\n#include "kernels/shapes.h"\n' >"$tree/engine/good.h"
  printf '// The decoder.\n#include <png.h>\n' >"$tree/io/png.cpp"
  printf 'int main() {}\n' >"$tree/examples/train_and_predict.cpp"
  printf '```cpp\nint main() {}\n```\n' >"$tree/README.md"
  output=$("$check" "$tree") || { echo "$1 fails on a good tree: $output" && exit 1; }
  cat >"$tree/$3"
  if output=$("$check" "$tree" 2>&1); then echo "$1 does not see: $2" && exit 1; fi
  [[ $output == *"$2"* ]] || { echo "$1 does not say '$2' but: $output" && exit 1; }
}

expect arrow 'kernels may not include engine' kernels/cpu/x.cpp <<<'#include "engine/tensor.h"'
expect arrow 'from the root of the project' engine/x.cpp <<<'#include "tensor.h"'
expect arrow 'may be seen in io/ only' engine/x.cpp <<<'#include <png.h>'
expect arrow 'already seen by io/png.cpp' io/x.cpp <<<'#include <png.h>'
expect arrow 'not a dependency' engine/x.cpp <<<'#include <boost/any.hpp>'
expect arrow 'asks how the library was configured' engine/x.cpp <<<'#ifdef LAMELLA_CUDA'
expect limits '401 lines' engine/x.cpp < <(lines 401 'int x;')
expect limits '101 columns' engine/x.cpp < <(lines 101 '/' | tr -d '\n')
expect limits 'function of 61 lines' engine/x.cpp < <(
  echo 'void f() {' && lines 61 '  x();' && echo '}')
expect limits 'function of 101 lines' engine/x.cu < <(
  printf '__global__ void f(int a,\n                  int b) {\n' && lines 101 '  x();' && echo '}')
if command -v clang-format-14 >/dev/null; then
  expect format 'should be clang-formatted' engine/x.cpp <<<'int  x;'
fi
expect readme 'differ' examples/train_and_predict.cpp <<<'int main() { return 1; }'

# report STACK SPILLED: what ptxas prints of a kernel.
report() {
  printf "ptxas info    : Compiling entry function '_Z1fv' for 'sm_90'\n"
  printf 'ptxas info    : Function properties for _Z1fv\n'
  printf '    %d bytes stack frame, %d bytes spill stores, 4 bytes spill loads\n' "$1" "$2"
  printf 'ptxas info    : Used 32 registers, used 0 barriers\n'
}
report 0 0 >"$tree/log"
"$checks/spills.sh" "$tree/log" sm_90 >/dev/null || { echo "spills fails on a good log" && exit 1; }
for fault in '8 0' '0 12'; do
  # shellcheck disable=SC2086
  report $fault >"$tree/log"
  ! "$checks/spills.sh" "$tree/log" sm_90 >/dev/null || { echo "spills misses $fault" && exit 1; }
done
! "$checks/spills.sh" "$tree/log" sm_80 >/dev/null || { echo "spills takes no kernel" && exit 1; }
echo "the checks find their faults"
