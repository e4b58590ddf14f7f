#!/usr/bin/env bash
# Sizes that keep the code readable: files of at most 400 lines, lines of at most 100 columns,
# functions of at most 60 lines, __global__ bodies of at most 100. A file whose first line says
# `Long file:` and why may be longer; one that says `Long function:` may hold longer functions.
# limits.sh [TREE]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/sources.sh"

sources '*.h' '*.cpp' '*.cu' '*.cuh' '*.sh' '*.py' '*.cmake' 'CMakeLists.txt' |
  LC_ALL=C xargs -0 awk '
  function bad(line, what) { print file ":" line ": " what; wrong = 1 }
  function end_of_file() {
    if (lines > 400 && first !~ /Long file:/) bad(1, lines " lines; at most 400")
  }
  FNR == 1 {
    if (file != "") end_of_file()
    file = FILENAME; first = $0; start = 0; global = 0; head = 0
    code = file ~ /\.(h|cpp|cu|cuh)$/
  }
  { lines = FNR }
  # Columns are characters: the continuation bytes of UTF-8 do not count.
  length($0) > 100 {
    text = $0
    gsub(/[\200-\277]/, "", text)
    if (length(text) > 100) bad(FNR, length(text) " columns; at most 100")
  }
  # clang-format puts the head of a function, and the brace that ends it, in the first column.
  code && /^[A-Za-z_]/ && !start { if (!head) global = 0; head = 1 }
  code && head && /__global__/ { global = 1 }
  code && head && /[;}]$/ { head = 0 }
  code && head && /\{$/ {
    head = 0
    if ($0 !~ /^(namespace|struct|class|enum|extern|union)/) start = FNR
  }
  code && start && /^}/ {
    most = global ? 100 : 60
    if (FNR - start - 1 > most && first !~ /Long function:/) {
      bad(start, "a function of " FNR - start - 1 " lines; at most " most)
    }
    start = 0
  }
  END { end_of_file(); exit wrong }
'
echo "all within the limits"
