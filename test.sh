#!/usr/bin/env bash
# Sets up, builds and tests lamella. ./test.sh [fast|full|long]
#   fast  source checks and the quick tests of the release build
#   full  every build (two compilers, with and without oneDNN, sanitizers, nvcc) and every test;
#         the default and what CI runs; the library for 64-bit ARM is built only
#   long  full, and the linter, the fuzz targets, the whole emulator under sanitizers, and the op
#         suite for 64-bit ARM in qemu
# Set LAMELLA_TEST_DATA to a folder of real images and weights to run the tests that use them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
tier=${1:-full}
if [[ ! $tier =~ ^(fast|full|long)$ ]]; then
  echo "usage: ./test.sh [fast|full|long]" >&2
  exit 2
fi

source tools/stages.sh
export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$(nproc)} CLICOLOR=0
export OMP_WAIT_POLICY=passive  # tests run side by side: waiting threads leave the cores to others
export CCACHE_DIR=$PWD/build/ccache

# build FOLDER PRESET [CMAKE ARGUMENT...] [-- TARGET...]
build() {
  local folder=$1 preset=$2 arguments=()
  shift 2
  while [[ $# != 0 && $1 != -- ]]; do arguments+=("$1") && shift; done
  ! command -v ccache >/dev/null || arguments+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  cmake --preset "$preset" -B "$folder" -DLAMELLA_WERROR=ON "${arguments[@]}"
  cmake --build "$folder" ${2+--target "${@:2}"}
}

# tests FOLDER [CTEST ARGUMENT...]
tests() {
  ctest --test-dir "$1" --output-on-failure --no-tests=error --timeout 600 \
    --output-junit "$STAGE_JUNIT" --test-output-size-passed 1000000 "${@:2}"
}

# The oldest and the newest-tuned architecture: what compiles for these compiles for all. From
# scratch, because the compiler says only then which kernels need local memory; none may.
nvcc_build() {
  PATH=$PATH:/usr/local/cuda/bin
  command -v "${CUDACXX:-nvcc}" >/dev/null || { echo "nvcc is not installed" && exit 77; }
  rm -rf build/nvcc/kernels/cuda
  build build/nvcc cuda "-DLAMELLA_CUDA_ARCHS=80-real;90-real" -DCMAKE_CUDA_FLAGS=-Xptxas=-v \
    -- lamella_cuda | tee build/logs/nvcc-kernels.log
  tools/checks/spills.sh build/logs/nvcc-kernels.log
}

# The table of docs/requirements.md, filled in from JUNIT_FILE.
requirements() {
  tools/checks/requirements.py "$1" | tee build/logs/requirements.md
}

# The library alone; its tests, in qemu, are left to `long`.
aarch64_build() {
  command -v aarch64-linux-gnu-g++ >/dev/null || { echo "no cross compiler for ARM" && exit 77; }
  build build/aarch64 aarch64 -- lamella
}

export -f build tests nvcc_build requirements aarch64_build

# What is left to `long`: the second compiler's look at tests and benches; without oneDNN, what does
# not convolve; and, under sanitizers, the emulator, the kernels of each instruction set, and the
# slowest tests, such as gradients of the large networks.
clang_part=product
asan_tests=(-L fast -E 'ten_losses|every_gradient/(densenet|inception|googlenet)')
no_onednn_tests=(-R '^(ops\.cpu|ops\.units\.cpu|cpu\.|engine|capi)|Trainer\.|GivesTheLogits')
asan_part=(-DLAMELLA_SIMT= -DLAMELLA_CPU_LEVELS=OFF)
if [[ $tier == long ]]; then
  clang_part=all
  asan_tests=(-L fast)
  no_onednn_tests=(-L fast)
  asan_part=(-DLAMELLA_SIMT=asan -DLAMELLA_CPU_LEVELS=ON)
  export LAMELLA_EVERY_LINE=1  # of the traffic tests
fi

# Budgets, in seconds, for two cores and a fresh clone.
declare -A total=([fast]=1500 [full]=5200 [long]=20000)
stages_begin "build/logs/test-$tier" "${total[$tier]}"
stage setup 900 tools/setup.sh test || { stages_end || exit 1; }
stage format 30 tools/checks/format.sh || true
stage arrow 10 tools/checks/arrow.sh || true
stage limits 10 tools/checks/limits.sh || true
stage readme 10 tools/checks/readme.sh || true
stage checks 30 tools/checks/self_test.sh || true
stage release 1200 build build/release release || { stages_end || exit 1; }
if [[ $tier == fast ]]; then
  stage release-tests 150 tests build/release -L fast || true
else
  stage release-tests 1800 tests build/release || true
  stage requirements 30 requirements "build/logs/test-$tier/release-tests.xml" || true
  stage clang 600 tools/checks/clang.sh build/clang "$clang_part" || true
  stage no-onednn 900 build build/no-onednn release -DLAMELLA_ONEDNN=OFF || true
  stage no-onednn-tests 600 tests build/no-onednn "${no_onednn_tests[@]}" || true
  stage aarch64 400 aarch64_build || true
  stage asan 1500 build build/asan asan -DLAMELLA_BENCH=OFF "${asan_part[@]}" || true
  stage asan-tests 900 tests build/asan "${asan_tests[@]}" || true
  stage nvcc 600 nvcc_build || true
fi
if [[ $tier == long ]]; then
  stage asan-slow-tests 3600 tests build/asan -LE fast || true
  stage fuzz 2400 tests/fuzz/run.sh 120 || true
  stage aarch64-tests 2400 tests/aarch64/run.sh || true
  stage clang-tidy 3600 tools/checks/tidy.sh build/release || true
fi
stages_end
