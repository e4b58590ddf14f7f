#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for a while, from the corpus and the goldens of
# the weight readers on. What they find new stays in build/fuzz/corpus; a crash stops the script and
# names the file that causes it. run.sh [SECONDS_EACH]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:-60}
command -v clang++-14 >/dev/null || { echo "clang++-14 is not installed" && exit 77; }
cmake --preset release -B build/fuzz -DCMAKE_CXX_COMPILER=clang++-14 -DLAMELLA_ONEDNN=OFF \
  -DLAMELLA_SIMT=plain >/dev/null
cmake --build build/fuzz --target fuzz_targets
for name in pickle safetensors weights exif; do
  mkdir -p "build/fuzz/corpus/$name"
  echo "$name:"
  "build/fuzz/bin/fuzz_$name" -max_total_time="$seconds" -max_len=16384 -timeout=10 \
    -rss_limit_mb=1024 -error_exitcode=1 -artifact_prefix=build/fuzz/ \
    -verbosity=0 -print_final_stats=1 \
    "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" tests/weights/goldens 2>&1 |
    grep -E 'stat::(number_of|peak)|ERROR|Test unit|SUMMARY|runtime error'
done
