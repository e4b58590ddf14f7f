#!/usr/bin/env bash
# Puts a kernel of yours in the place of one of lamella's, tests it, counts what it does to memory,
# and shows that beside lamella's own. Needs g++ and a release build, no GPU.
#   tools/try_kernel.sh MY.cu --as ENTRY [--call "ENTRY key=value ..."]... [--dtype f32|bf16|f16]
#                       [--build FOLDER]
# ENTRY is an entry of kernels/kernel_table.h, such as softmax_fwd. MY.cu is either
#   - a changed copy of the file of kernels/cuda that has it, or
#   - a file with a launcher of that name and signature in namespace lamella::student:
#       #include "kernels/cuda/common.h"
#       namespace lamella::student { void softmax_fwd(const KernelContext& ctx, ...) {...} }
# --dtype: of the tests, and of calls that name none; f32 if left out.
# The last line is the verdict. Exit: 0 tests passed and nothing was found; 1 not; 2 bad usage. A
# library that fails is kept, so that what is said to repeat a failure finds it.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$repo/build/release entry='' kernel='' dtype=f32 calls=()

usage() {
  echo "try_kernel: $*; see the first lines of tools/try_kernel.sh" >&2
  exit 2
}
while (($#)); do
  [[ $1 != --* || $# -gt 1 ]] || usage "$1 needs a value"
  case $1 in
    --as) entry=${2:-} && shift 2 ;;
    --call) calls+=("${2:-}") && shift 2 ;;
    --dtype) dtype=${2:-} && shift 2 ;;
    --build) build=$(realpath "${2:-}") && shift 2 ;;
    -*) usage "there is no option $1" ;;
    *) kernel=$(realpath "$1") && shift ;;
  esac
done
[[ -f $kernel ]] || usage "there is no file '$kernel'"
original=$(grep -l "  table\.$entry = " "$repo"/kernels/cuda/*.cu 2>/dev/null || true)
[[ -n $entry && -n $original ]] || usage "--as '$entry' is no entry that kernels/cuda fills"
[[ $dtype =~ ^(f32|bf16|f16)$ ]] || usage "--dtype is '$dtype'; it may be f32, bf16 or f16"
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
again="repeat it with: LD_LIBRARY_PATH=$work/lib $build/bin/op_tests"
for run in "--device=simt --simt-seeds=8" "--device=simt-counted"; do
  # shellcheck disable=SC2086
  yours "$build/bin/op_tests" $run --dtype="$dtype" --gtest_filter="$suite*:$entry.*" \
    --gtest_brief=1 >"$work/tests" 2>&1 || status=1
  passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$work/tests")
  echo "tests, ${run#--device=}: ${passed:-0} passed"
  ((${passed:-0} > 0)) || status=1
  grep -v -E '^(Note|Running|\[[ =-])' "$work/tests" | head -n 20 |
    sed "s#repeat it with: op_tests#$again#" || true
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
# What one summary is larger in than the other: "requested 2.00x, lamella's 1.00x".
larger() { # LAMELLA'S YOURS
  paste <(echo "$1") <(echo "$2") | awk '{
    split("distinct requested sectors/request conflicts", name)
    half = NF / 2
    for (i = 1; i <= 4; ++i) {
      theirs = $(half - 4 + i); mine = $(NF - 4 + i)
      if (mine + 0 > 1.01 * theirs) worse = worse (worse ? "; " : "") \
        name[i] " " mine ", lamella'"'"'s " theirs
    }
    print worse
  }'
}
worse=''
for call in "${calls[@]}"; do
  [[ $call == *dtype=* ]] || call+=" dtype=$dtype"
  theirs=$("$build/bin/lamella" bench kernels "$call" | tail -n 1)
  yours "$build/bin/lamella" bench kernels "$call" --lines >"$work/lines" || status=1
  mine=$(sed -n 2p "$work/lines")
  printf '\n%s\n  lamella'"'"'s: %s\n  yours:     %s\n' "$call" "$theirs" "$mine"
  tail -n +3 "$work/lines"
  more=$(larger "$theirs" "$mine")
  [[ -z $more ]] || worse+=" $call: $more."
done
echo
if ((status)); then
  trap - EXIT
  echo "verdict: wrong in $dtype. Your library is kept in $work"
elif [[ -n $worse ]]; then
  echo "verdict: right, but it moves more.$worse"
elif ((${#calls[@]})); then
  echo "verdict: right, and it moves no more than lamella's"
else
  echo "verdict: right"
fi
exit $status
