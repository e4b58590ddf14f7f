#!/usr/bin/env bash
# The libraries and the tool stay light: each is in the table "Size and links" of
# docs/supply_chain.md, is no larger, stripped, than it says there, and links nothing else.
# library.sh FILE...
set -euo pipefail
page=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/docs/supply_chain.md
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
runtimes='libc libm libgcc_s libstdc++ ld-linux-x86-64 ld-linux-aarch64'
status=0
for file in "$@"; do
  name=$(basename "$file")
  name=${name%%.so*}
  IFS='|' read -r _ _ limit allowed _ < <(grep -F "| \`$name\` |" "$page") ||
    { echo "$name has no line in $page" && exit 1; }
  strip -o "$stripped" "$file"
  size=$(stat -c %s "$stripped")
  linked=$(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*\]/\1/p')
  echo "$name: $size bytes stripped, links" $linked
  if ((size > ${limit//[^0-9]/})); then
    echo "$name: $size bytes are more than the $((${limit//[^0-9]/})) of $page"
    status=1
  fi
  for library in $linked; do
    [[ " $runtimes ${allowed//[,\`]/} " != *" $library "* ]] || continue
    echo "$name links $library, which is not in $page"
    status=1
  done
done
exit $status
