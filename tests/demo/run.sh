#!/usr/bin/env bash
# Runs the demo's commands and compares, on the same held-out crops, the trained net with logistic
# regression on the intensity histogram and image statistics:  run.sh LAMELLA DEMO_BASELINE
# The net must reach 90 %, the intensities at most 50 %.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/demo_commands.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
demo_synth "$1" "$folder" >"$folder/log" 2>&1 || { cat "$folder/log" && exit 1; }
demo_train "$1" "$folder" >"$folder/log" 2>&1 || { tail -n 20 "$folder/log" && exit 1; }
demo_eval "$1" "$folder" --json "$folder/eval.json" >"$folder/log"
net=$(grep -o '"accuracy": *[0-9.e-]*' "$folder/eval.json" | head -n 1 | grep -o '[0-9.e-]*$')
intensities=$("$2" "$folder/data")
echo "held-out crops: net $net, logistic regression on intensities $intensities"
awk -v net="$net" -v base="$intensities" 'BEGIN { exit !(net >= 0.90 && base <= 0.50) }' || {
  echo "the net must reach 0.90 and the intensities at most 0.50"
  exit 1
}
