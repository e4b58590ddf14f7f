#!/usr/bin/env bash
# Reads what `nvcc -Xptxas=-v` printed and fails where a kernel keeps variables in local memory: a
# stack frame, or registers spilled to memory. Prints how many kernels it saw and the most
# registers one of them uses.
# spills.sh LOG [ARCHITECTURE]      ARCHITECTURE: only what was compiled for it, such as sm_90
set -euo pipefail

awk -v wanted="${2:-}" '
  /Compiling entry function/ {
    kernel = $0; sub(/.*entry function ./, "", kernel); sub(/. for .*/, "", kernel)
    arch = $NF; gsub(/[^a-z0-9_]/, "", arch)
    watched = wanted == "" || arch == wanted
    if (watched) ++kernels
  }
  watched && /bytes stack frame/ {
    match($0, /[0-9]+ bytes stack frame/); stack = substr($0, RSTART) + 0
    match($0, /[0-9]+ bytes spill stores/); spilled = substr($0, RSTART) + 0
    if (stack + spilled > 0) {
      print kernel " for " arch ": a stack frame of " stack " bytes, " spilled " bytes spilled"
      wrong = 1
    }
  }
  watched && /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+ registers/); registers = substr($0, RSTART + 5) + 0
    if (registers > most) { most = registers; widest = kernel }
  }
  END {
    if (!kernels) { print "no kernel in the log: compile with -Xptxas=-v, from scratch"; exit 1 }
    if (wrong) exit 1
    print kernels " kernels, none with local memory; at most " most " registers, in " widest
  }' "$1" | { command -v c++filt >/dev/null && c++filt || cat; }
