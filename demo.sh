#!/usr/bin/env bash
# From a fresh checkout to a trained network: installs what is missing, builds, makes synthetic
# TEM-like crops, trains on them, evaluates on crops it has not seen, and writes a report.
# Everything lands in build/release and demo-run, which is made anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source tools/stages.sh
source tools/demo_commands.sh
lamella=build/release/bin/lamella

build() {
  cmake --preset release
  cmake --build build/release --target lamella_tool
}
export -f build

stages_begin build/logs/demo 3000
stage setup 900 tools/setup.sh
stage build 900 build
rm -rf demo-run
stage synth 60 demo_synth $lamella demo-run
stage train 600 demo_train $lamella demo-run
stage eval 60 demo_eval $lamella demo-run

echo
cat build/logs/demo/eval.log
echo
echo "report:  demo-run/run/report.html"
echo "next:    $lamella predict demo-run/run demo-run/data"
