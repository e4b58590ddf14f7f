#!/usr/bin/env bash
# The worked example of docs/add_an_op.md: its code is that of the patch, the patch applies to a
# copy of the tree and edits exactly seven files, and the new op passes its cases on cpu and simt.
# Usage: run.sh SOURCE_FOLDER [C++ COMPILER]. Builds in a temporary folder and removes it.
set -euo pipefail
source=$(cd "$1" && pwd)
compiler=${2:-c++}
patch=$source/tests/add_an_op/leaky_relu.patch
page=$source/docs/add_an_op.md
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

say_and_fail() {
  echo "add_an_op: $*" >&2
  exit 1
}

# Both as lines `file: code`, blank lines left out.
lines_of_patch() {
  awk '/^\+\+\+ b\// {file = substr($0, 7); next}
       /^\+/ && length($0) > 1 {print file ": " substr($0, 2)}' "$patch"
}
lines_of_page() {
  awk '/^## [0-9]+\. `/ {split($0, part, "`"); file = part[2]; next}
       /^## / {file = ""}
       /^```/ {code = ($0 == "```cpp"); next}
       code && file != "" && length($0) > 0 {print file ": " $0}' "$page"
}
diff <(lines_of_patch | sort -s -t: -k1,1) <(lines_of_page | sort -s -t: -k1,1) ||
  say_and_fail "the code in $page is not that of $patch"
[ "$(lines_of_page | wc -l)" -gt 100 ] || say_and_fail "no code found in $page"

# The folders the op lives in; the rest of the tree is not needed to build it.
for part in CMakeLists.txt kernels engine layers tests/CMakeLists.txt tests/ops tests/shapes; do
  mkdir -p "$tree/new/$(dirname "$part")"
  cp -r "$source/$part" "$tree/new/$(dirname "$part")/"
done
for cases in "$tree"/new/tests/ops/cases/*.cpp; do  # those of other ops
  grep -q "^+++ b/tests/ops/cases/$(basename "$cases")" "$patch" || rm "$cases"
done
cp -r "$tree/new" "$tree/old"
(cd "$tree/new" && git apply -C1 "$patch") || say_and_fail "the patch does not apply"
diff -rq "$tree/old" "$tree/new" > "$tree/changes" || true
changed=$(wc -l < "$tree/changes")
[ "$changed" -eq 7 ] || say_and_fail "the patch changes $changed files, not 7"
! grep -qv '^Files .* differ$' "$tree/changes" || say_and_fail "the patch adds or removes files"

cmake -S "$tree/new" -B "$tree/build" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_COMPILER="$compiler" \
  -DLAMELLA_ONEDNN=OFF -DLAMELLA_CPU_LEVELS=OFF -DLAMELLA_SIMT=plain -DLAMELLA_WERROR=ON \
  > "$tree/log" 2>&1 ||
  { cat "$tree/log"; say_and_fail "the tree with the new op does not configure"; }
cmake --build "$tree/build" --target lamella_simt op_tests -j "$(nproc)" > "$tree/log" 2>&1 ||
  { tail -50 "$tree/log"; say_and_fail "the tree with the new op does not build"; }

for device in cpu simt; do
  "$tree/build/bin/op_tests" --device=$device --gtest_filter='leaky_relu_fwd.*' \
    > "$tree/log" 2>&1 ||
    { cat "$tree/log"; say_and_fail "the new op fails on $device"; }
  passed=$(grep -c '^\[       OK \] leaky_relu_fwd' "$tree/log" || true)
  [ "$passed" -ge 10 ] || { cat "$tree/log"; say_and_fail "only $passed cases ran on $device"; }
  echo "add_an_op: $passed cases of leaky_relu passed on $device"
done
