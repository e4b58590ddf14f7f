#!/usr/bin/env bash
# liblamella stays light: at most 5 MB stripped, and it links nothing but the C++ runtime, OpenMP
# and, where built with it, oneDNN. library.sh LIBRARY
set -euo pipefail
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$1"
size=$(stat -c %s "$stripped")
linked=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
echo "$1: $size bytes stripped, links" $linked
status=0
if ((size > 5000000)); then
  echo "more than 5000000 bytes"
  status=1
fi
for library in $linked; do
  if [[ ! $library =~ ^(lib(c|m|stdc\+\+|gcc_s|gomp|dl|pthread|dnnl)|ld-linux-.*)\.so ]]; then
    echo "$library does not belong there"
    status=1
  fi
done
exit $status
