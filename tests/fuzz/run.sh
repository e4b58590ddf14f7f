#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for a while, or those that are named, from the
# corpus and the goldens of the weight readers on. What they find new stays in build/fuzz/corpus; a
# fault stops the script and names the file that causes it. run.sh [SECONDS_EACH [TARGET...]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:-60}
targets=("${@:2}")
[[ ${#targets[@]} != 0 ]] || mapfile -t targets < <(ls tests/fuzz/corpus)
command -v clang++-14 >/dev/null || { echo "clang++-14 is not installed" && exit 77; }
launcher=()
! command -v ccache >/dev/null || launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
cmake --preset asan -B build/fuzz -DCMAKE_CXX_COMPILER=clang++-14 -DLAMELLA_ONEDNN=OFF \
  -DLAMELLA_SIMT= -DLAMELLA_CPU_LEVELS=OFF -DLAMELLA_BENCH=OFF "${launcher[@]}" \
  -DCMAKE_CXX_FLAGS="-fsanitize=fuzzer-no-link,float-cast-overflow" >/dev/null
cmake --build build/fuzz --target "${targets[@]/#/fuzz_}"
export TMPDIR=/dev/shm  # some targets write every input into a file
for name in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$name"
  echo "$name:"
  # No allocation may take more than 64 MiB and twice what is decoded, which is small here.
  "build/fuzz/bin/fuzz_$name" -max_total_time="$seconds" -max_len=16384 -timeout=10 \
    -malloc_limit_mb=80 -rss_limit_mb=1024 -error_exitcode=1 -artifact_prefix=build/fuzz/ \
    -verbosity=0 -print_final_stats=1 \
    "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" tests/weights/goldens 2>&1 |
    grep -E 'stat::(number_of|peak)|ERROR|Test unit|SUMMARY|runtime error'
done
