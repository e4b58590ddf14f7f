#!/usr/bin/env bash
# The program shown in README.md is examples/train_and_predict.cpp, to the letter. readme.sh [TREE]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/sources.sh"
shown=$(sed -n '/^```cpp$/,/^```$/p' README.md | sed '1d;$d')
diff <(echo "$shown") examples/train_and_predict.cpp ||
  { echo "README.md and examples/train_and_predict.cpp differ (< README, > file)" && exit 1; }
lines=$(wc -l <examples/train_and_predict.cpp)
[[ $lines -le 40 ]] || { echo "the example has $lines lines; at most 40" && exit 1; }
echo "the README shows the example"
