#!/usr/bin/env bash
# Runs every command of docs/kernels.md as it stands there, in a folder that looks like the root of
# the project. docs_test.sh SOURCE BUILD
set -euo pipefail
source=$1 build=$2
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
for entry in "$source"/*; do
  [[ $(basename "$entry") == build ]] || ln -s "$entry" "$tree/"
done
mkdir "$tree/build"
ln -s "$build" "$tree/build/release"
cd "$tree"

count=0
while IFS= read -r command; do
  echo "docs/kernels.md: $command"
  bash -euo pipefail -c "$command" >output 2>&1 ||
    { echo "fails:" && tail -n 30 output && exit 1; }
  ! grep -q '\[  PASSED  \] 0 tests' output || { echo "runs no test" && exit 1; }
  count=$((count + 1))
done < <(awk '/^ *```sh$/ { on = 1; next } /^ *```$/ { on = 0 } on' docs/kernels.md)
((count >= 10)) || { echo "only $count commands" && exit 1; }
echo "$count commands of docs/kernels.md work"

# A kernel with a fault must not pass, and its line is named.
sed 's/c < s.C; ++c) probs/c <= s.C; ++c) probs/' tests/calls/student/naive_softmax.cu >wrong.cu
if TMPDIR=$tree tools/try_kernel.sh wrong.cu --as softmax_fwd >output 2>&1; then
  echo "a kernel that writes past its rows passes" && exit 1
fi
grep -q '^verdict: wrong in f32' output || { echo "no verdict:" && cat output && exit 1; }
again=$(sed -n 's/^ *repeat it with: //p' output | head -n 1)
! bash -c "$again" >again 2>&1 || { echo "passes when repeated: $again" && exit 1; }
grep -q 'wrong.cu:1[0-9]' output || { echo "the line is not named:" && cat output && exit 1; }
if tools/try_kernel.sh wrong.cu --as soft_fwd >output 2>&1; then exit 1; fi
grep -q "is no entry" output
