#!/usr/bin/env bash
# Checks lamella on a GPU, on a machine that need not have a compiler.
#   tools/gpu_check.sh --bundle [--archs LIST]      builds bundle/ where the CUDA Toolkit is
#   gpu_check.sh --stage ops [--budget SECONDS] [--out FOLDER]
#                                                   runs it where the GPU is, from bundle/ or here
# A stage runs in pieces of under 10 minutes. Called again it goes on where it was cut off; after
# every piece the archive FOLDER/gpu_check-STAGE.tar.gz holds all results so far.
# Exit: 0 all passed; 1 something failed; 2 bad usage; 75 cut off, call again; 77 no usable GPU.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
piece_seconds=540 # one piece may run so long
op_pieces=10 # shards of everything by own kernels; the last two: what cuDNN and cuBLASLt do

fail() { # STATUS WORD...
  local status=$1
  shift
  echo "gpu_check: $*" >&2
  exit "$status"
}

# --- making the bundle ---------------------------------------------------------------------------

# Copies into $2 the shared libraries that the binaries in $1 load here, but for those of the C
# library and those of lamella, which are there already.
copy_libraries() { # FOLDER TO
  local name path
  ldd "$1"/bin/* "$1"/lib/*.so | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' | sort -u |
    while read -r name path; do
      case $name in
        liblamella* | libc.so* | libm.so* | libdl.so* | librt.so* | libpthread.so*) ;;
        *) cp -L "$path" "$2/$name" ;;
      esac
    done
}

make_bundle() { # ARCHS
  local repo=${here%/tools}
  local build=$repo/build/gpu-bundle bundle=$repo/bundle
  cmake -S "$repo" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLAMELLA_CUDA=ON \
    -DLAMELLA_CUDA_ARCHS="$1" -DLAMELLA_ONEDNN=OFF \
    -DCMAKE_BUILD_RPATH_USE_ORIGIN=ON -DCMAKE_CXX_FLAGS="-ffile-prefix-map=$repo/="
  cmake --build "$build" --target op_tests lamella_cuda
  rm -rf "${bundle:?}"/{bin,lib,machine}
  mkdir -p "$bundle/bin" "$bundle/lib" "$bundle/machine"
  cp "$build/bin/op_tests" "$bundle/bin/"
  cp -P "$build"/lib/liblamella.so* "$build/lib/liblamella_cuda.so" "$bundle/lib/"
  strip "$bundle"/bin/* "$bundle"/lib/*.so
  copy_libraries "$bundle" "$bundle/machine"
  cp "$here/gpu_check.sh" "$bundle/"
  describe_build "$repo" "$1" >"$bundle/VERSION"
  echo "gpu_check: made $bundle, $(du -sm "$bundle" | cut -f1) MB; copy it to the GPU machine and" \
    "run: bundle/gpu_check.sh --stage ops"
}

describe_build() { # REPO ARCHS
  echo "commit $(git -C "$1" rev-parse HEAD) $(git -C "$1" diff --quiet HEAD && echo clean ||
    echo 'with uncommitted changes')"
  echo "GPU architectures $2"
  "${CXX:-c++}" --version | sed -n 1p
  echo "nvcc $(sed -n 's/.*CMAKE_CUDA_COMPILER_VERSION "\(.*\)")/\1/p' \
    "$1"/build/gpu-bundle/CMakeFiles/*/CMakeCUDACompiler.cmake)"
}

# --- running a stage -----------------------------------------------------------------------------

find_bundle() {
  local folder
  for folder in "$here" "$here/../bundle"; do
    if [[ -x $folder/bin/op_tests ]]; then
      (cd "$folder" && pwd)
      return
    fi
  done
  fail 2 "there is no bundle beside this script; make one with tools/gpu_check.sh --bundle"
}

# The machine's own libraries come first; those of the bundle are used where one is missing.
choose_libraries() {
  local plain=$bundle/lib bundled=$bundle/lib:$bundle/machine path
  for path in "$plain" "$bundled"; do
    export LD_LIBRARY_PATH=$path
    if "$bundle/bin/op_tests" --gtest_list_tests >"$out/loader.txt" 2>&1; then return; fi
  done
  cat "$out/loader.txt" >&2
  fail 1 "bin/op_tests does not start here: $(tail -n 1 "$out/loader.txt")"
}

describe_machine() {
  {
    cat "$bundle/VERSION"
    uname -srm
    ldd --version | sed -n 1p
    nproc | sed 's/$/ processors/'
  } >"$out/versions.txt"
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi >"$out/nvidia-smi.txt" 2>&1 || true
    nvidia-smi -q >"$out/nvidia-smi-q.txt" 2>&1 || true
  else
    echo "there is no nvidia-smi on this machine" >"$out/nvidia-smi.txt"
  fi
}

pack() { tar -C "$results" -czf "$results/gpu_check-$stage.tar.gz" "$stage"; }

# The sum of attribute $1 of the <testsuites> elements of all finished pieces.
total() {
  { cat "$out"/piece-*.xml 2>/dev/null || true; } |
    sed -n 's/.*<testsuites.*[[:space:]]'"$1"'="\([0-9]*\)".*/\1/p' |
    awk '{sum += $1} END {print sum + 0}'
}

# Runs shard $1 of the op suite for at most $2 seconds. Its status file appears when it is finished.
run_piece() {
  local piece=$1 seconds=$2 status=0
  local name=$out/piece-$piece
  local shards=$((op_pieces - 2)) what=(--device=cuda)
  local shard=$piece
  if ((piece == shards)); then
    what+=(--conv=cudnn '--gtest_filter=conv2d*')
  elif ((piece > shards)); then
    what+=(--product=cublaslt '--gtest_filter=linear*')
  fi
  local topic='' # of the trace: whatever a vendor's library does not do, own kernels do unseen
  if ((piece >= shards)); then shards=1 shard=0 topic=op; fi
  LAMELLA_TRACE=$topic GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$shard \
    timeout -k 10 "$seconds" "$bundle/bin/op_tests" "${what[@]}" \
    --gtest_output="xml:$name.xml" --gtest_brief=1 >"$name.log" 2>&1 || status=$?
  if [[ $status == 124 || $status == 137 ]]; then
    echo "piece $piece was stopped after $seconds s" | tee -a "$name.log"
    return 1
  fi
  echo "$status" >"$name.status"
  echo "piece $piece of $op_pieces: $([[ $status == 0 ]] && echo passed || echo "FAILED ($status)")"
}

# Without a usable GPU the suite has one test, which skips and says why.
require_device() {
  local tests
  tests=$("$bundle/bin/op_tests" --device=cuda --gtest_list_tests 2>&1) ||
    fail 1 "op_tests cannot list its tests: $tests"
  [[ ${tests%%$'\n'*} == device. ]] || return 0
  "$bundle/bin/op_tests" --device=cuda --gtest_output="xml:$out/no-device.xml" \
    >"$out/no-device.log" 2>&1 || true
  local reason
  reason=$(sed -n '/Skipped/{n;p;q}' "$out/no-device.log")
  echo "SKIP: ${reason:-the device cuda cannot be used}" | tee "$out/summary.txt"
  pack
  echo "gpu_check: nothing was run on a GPU; archive $results/gpu_check-$stage.tar.gz"
  exit 77
}

summarise() {
  local finished=0 failed=0 status tests
  for status in "$out"/piece-*.status; do
    [[ -e $status ]] || continue
    finished=$((finished + 1))
    [[ $(cat "$status") == 0 ]] || failed=$((failed + 1))
  done
  tests=$(total tests)
  echo "$stage on cuda: $tests tests, $(total failures) failed; $finished of $op_pieces" \
    "pieces finished, $failed of them failed" >"$out/summary.txt"
  pack
  cat "$out/summary.txt"
  echo "archive $results/gpu_check-$stage.tar.gz"
  [[ $failed == 0 ]] || return 1
  [[ $finished == "$op_pieces" ]] || return 75
  ((tests > 0)) || fail 1 "all pieces finished, but no test was run"
}

run_stage() { # BUDGET
  local end=$((SECONDS + $1)) piece left build_id
  mkdir -p "$out"
  build_id=$(cat "$bundle"/bin/* "$bundle"/lib/*.so | sha256sum)
  if [[ $(cat "$out/build-id" 2>/dev/null) != "$build_id" ]]; then
    rm -rf "$out" # results of another build
    mkdir -p "$out"
    echo "$build_id" >"$out/build-id"
  fi
  choose_libraries
  describe_machine
  require_device
  for ((piece = 0; piece < op_pieces; ++piece)); do
    [[ ! -e $out/piece-$piece.status ]] || continue
    left=$((end - SECONDS))
    if ((left < 10)); then
      echo "gpu_check: the budget of $1 s is used up; call again to go on"
      break
    fi
    run_piece "$piece" $((left < piece_seconds ? left : piece_seconds)) || true
    pack
  done
  summarise
}

# --- arguments -----------------------------------------------------------------------------------

action='' stage='' budget=86400 results='' archs=90
while (($# > 0)); do
  case $1 in
    --bundle) action=bundle ;;
    --stage) action=stage stage=${2:-} && shift ;;
    --budget) budget=${2:-} && shift ;;
    --out) results=${2:-} && shift ;;
    --archs) archs=${2:-} && shift ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit 0 ;;
    *) fail 2 "unknown argument $1; see --help" ;;
  esac
  shift || fail 2 "the last option needs a value; see --help"
done
case $action in
  bundle) make_bundle "$archs" ;;
  stage)
    [[ $stage == ops ]] || fail 2 "there is no stage '$stage'; the stages are: ops"
    [[ $budget =~ ^[0-9]+$ ]] || fail 2 "--budget is '$budget', it must be a number of seconds"
    bundle=$(find_bundle)
    mkdir -p "${results:=$bundle/results}"
    results=$(cd "$results" && pwd)
    out=$results/$stage
    run_stage "$budget"
    ;;
  *) fail 2 "say --bundle or --stage ops; see --help" ;;
esac
