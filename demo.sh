#!/usr/bin/env bash
# From a fresh checkout to a trained network: installs what is missing, builds, makes synthetic
# TEM-like crops, trains on them, evaluates on crops it has not seen, and writes a report. Under
# five minutes on two cores after the installs. Everything lands in build/release and demo-run,
# which is made anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source tools/stages.sh
lamella=build/release/bin/lamella
data=demo-run/data run=demo-run/run

build() {
  cmake --preset release
  cmake --build build/release --target lamella_tool
}
export -f build

stages_begin build/logs/demo 3000
stage setup 900 tools/setup.sh
stage build 900 build
rm -rf demo-run
stage synth 120 $lamella synth tem --out $data --classes 6 --per-class 200 --size 64 --seed 1
# Crops of one micrograph stay together; a fifth of the micrographs is kept away from training.
stage train 600 $lamella train --config recipes/demo_synth.toml --data $data --out $run \
  --group-column micrograph --val-fraction 0.1 --test-fraction 0.2
stage eval 60 $lamella eval $run --split test

echo
cat build/logs/demo/eval.log
echo
echo "report:  $run/report.html"
echo "next:    $lamella predict $run $data"
