#!/usr/bin/env bash
# Puts a kernel of yours in the place of one of lamella's, tests it, counts what it does to memory,
# and shows that beside lamella's own. Needs g++ and a release build, no GPU.
#   tools/try_kernel.sh MY.cu --as ENTRY [--call "ENTRY key=value ..."]... [--build FOLDER]
# ENTRY is an entry of kernels/kernel_table.h, such as softmax_fwd. MY.cu is either
#   - a changed copy of the file of kernels/cuda that has it, or
#   - a file with a launcher of that name and signature in namespace lamella::student:
#       #include "kernels/cuda/common.h"
#       namespace lamella::student { void softmax_fwd(const KernelContext& ctx, ...) {...} }
# Exit: 0 tests passed and nothing was found; 1 not; 2 bad usage.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$repo/build/release entry='' kernel='' calls=()

usage() {
  echo "try_kernel: $*; see the first lines of tools/try_kernel.sh" >&2
  exit 2
}
while (($#)); do
  [[ $1 != --* || $# -gt 1 ]] || usage "$1 needs a value"
  case $1 in
    --as) entry=${2:-} && shift 2 ;;
    --call) calls+=("${2:-}") && shift 2 ;;
    --build) build=$(realpath "${2:-}") && shift 2 ;;
    -*) usage "there is no option $1" ;;
    *) kernel=$(realpath "$1") && shift ;;
  esac
done
[[ -f $kernel ]] || usage "there is no file '$kernel'"
original=$(grep -l "  table\.$entry = " "$repo"/kernels/cuda/*.cu 2>/dev/null || true)
[[ -n $entry && -n $original ]] || usage "--as '$entry' is no entry that kernels/cuda fills"
for binary in op_tests lamella; do
  [[ -x $build/bin/$binary ]] ||
    usage "$build/bin/$binary is missing: cmake --preset release && cmake --build build/release"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/lib"
family=$(basename "$original" .cu)

# A copy of the family's file brings its own add_FAMILY and stands for it; a launcher of its own is
# put into the table that all of lamella's files have filled.
if grep -q "void add_$family(KernelTable" "$kernel"; then
  cp "$repo/kernels/cuda/table.cpp" "$work/table.cpp"
  replaced="$family.cu.o|table.cpp.o"
else
  replaced="table.cpp.o"
  declaration="namespace student { std::remove_pointer_t<decltype(KernelTable::$entry)> $entry; }"
  sed -e "/^namespace lamella {/i #include <type_traits>" \
    -e "/^namespace lamella {/a $declaration" \
    -e "0,/^  return table;/s//  table.$entry = student::$entry;\n  return table;/" \
    "$repo/kernels/cuda/table.cpp" >"$work/table.cpp"
fi

# How the build compiles the family's file for one emulator library, for another file.
compile() { # KERNELS_TARGET SOURCE OBJECT
  local object=kernels/simt/CMakeFiles/$1.dir/__/cuda/$family.cu.o command
  command=$(grep -o "\"command\": \"[^\"]* -o $object -c [^\"]*\"" "$build/compile_commands.json" |
    sed -e 's/^"command": "//; s/"$//' -e "s# -o $object -c .*##")
  [[ -n $command ]] || usage "$build was not configured with this emulator (LAMELLA_SIMT)"
  # shellcheck disable=SC2086
  (cd "$build" && $command -I"$repo" -o "$3" -c "$2")
}

# One emulator library with the kernel in it.
library() { # NAME EMULATOR: simt plain, or simt_counted counted
  local objects
  compile "lamella_$1_kernels" "$kernel" "$work/$1-kernel.o"
  compile "lamella_$1_kernels" "$work/table.cpp" "$work/$1-table.o"
  mapfile -t objects < <(find "$build/kernels/simt/CMakeFiles/simt_emulator_$2.dir" \
    "$build/kernels/simt/CMakeFiles/lamella_$1_kernels.dir" -name '*.o' |
    grep -v -E "/($replaced)\$")
  g++ -shared "${objects[@]}" "$work/$1-kernel.o" "$work/$1-table.o" -ldl \
    -Wl,-z,defs -Wl,--version-script="$repo/kernels/simt/exports.map" \
    -o "$work/lib/liblamella_$1.so"
}

library simt plain &
plain=$!
library simt_counted counted
wait $plain || exit 1
cp -P "$build"/lib/liblamella.so* "$work/lib/"  # backends are looked for beside it

yours() { LD_LIBRARY_PATH=$work/lib "$@"; }

# The cases of the entry's op: gradients are tested by the case of the forward.
suite=${entry/_bwd*/_fwd}
case $entry in
  batch_norm_*) suite=batch_norm ;;
esac
status=0
for run in "--device=simt --simt-seeds=8" "--device=simt-counted"; do
  # shellcheck disable=SC2086
  yours "$build/bin/op_tests" $run --gtest_filter="$suite*:$entry.*" --gtest_brief=1 \
    >"$work/tests" 2>&1 || status=1
  passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$work/tests")
  echo "tests, ${run#--device=}: ${passed:-0} passed"
  ((${passed:-0} > 0)) || status=1
  grep -v -E '^(Note|Running|\[[ =-])' "$work/tests" | head -n 20 || true
done

# Where no call is named: two layers of a network, small ones first.
if ((!${#calls[@]})); then
  for network in densenet121 inception_v3 tem_small; do
    mapfile -t calls < <(grep -h -E "^[^#]+ $suite[a-z_]* " "$repo/tests/shapes/$network.txt" |
      sed -e "s/^[^ ]* [^ ]*/$entry/" -e 's/ N=12 / N=1 /' | awk '!seen[$0]++' | tail -n 2)
    ((!${#calls[@]})) || break
  done
  ((${#calls[@]})) || echo "no network of tests/shapes calls $entry: count one with --call"
fi
for call in "${calls[@]}"; do
  echo
  echo "$call"
  echo "  lamella's: $("$build/bin/lamella" bench kernels "$call" | tail -n 1)"
  echo "  yours:     $(yours "$build/bin/lamella" bench kernels "$call" --lines | sed -n 2p)"
  yours "$build/bin/lamella" bench kernels "$call" --lines | tail -n +3
done
exit $status
