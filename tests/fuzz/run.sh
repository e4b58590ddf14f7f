#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each, or those that are named, for so many seconds or
# ten million executions, from the corpus and the goldens of the weight readers on. What they find
# new stays in build/fuzz/corpus; a fault stops the script and names the file that causes it. What
# each has done is a line of build/fuzz/done.txt. run.sh [SECONDS_EACH [TARGET...]]
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

# fuzz NAME: no allocation may take more than 64 MiB and twice what is decoded, which is small here.
fuzz() {
  "build/fuzz/bin/fuzz_$1" -runs=10000000 -max_total_time="$seconds" -max_len=16384 -timeout=10 \
    -malloc_limit_mb=80 -rss_limit_mb=1024 -error_exitcode=1 -artifact_prefix=build/fuzz/ \
    -verbosity=0 -print_final_stats=1 \
    "build/fuzz/corpus/$1" "tests/fuzz/corpus/$1" tests/weights/goldens
}

TIMEFORMAT='%U %S'
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
for name in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$name"
  log=build/fuzz/$name.log
  used=$({ time fuzz "$name" >"$log" 2>&1; } 2>&1) || {
    grep -E 'ERROR|Test unit|SUMMARY|runtime error' "$log"
    exit 1
  }
  value() { sed -n "s/^stat::$1: *//p" "$log"; }
  awk -v name="$name" -v commit="$commit" -v runs="$(value number_of_executed_units)" \
    -v peak="$(value peak_rss_mb)" '{
      printf "%s: %d executions in %d s of processor time, at most %d MB, at %s\n",
        name, runs, $1 + $2, peak, commit }' <<<"$used" | tee -a build/fuzz/done.txt
done
