#!/bin/sh
# No object compiled for AVX2 or AVX-512 may offer a weak symbol that other code could be given: an
# inline function outside the namespace of its instruction set (kernels/cpu/own/simd.h says why).
# Usage: check_symbols.sh NAMESPACE OBJECT...
level=$1
shift
[ $# -gt 0 ] || { echo "no objects given for $level"; exit 1; }
weak=$(nm --defined-only "$@" | awk '$2 ~ /^[WVu]$/ {print $3}' |
  grep -v "N[VK]*7lamella3cpu2${level}" |
  grep -v '^DW\.ref\.' | sort -u)
if [ -n "$weak" ]; then
  echo "objects of $level define shared symbols:"
  echo "$weak" | c++filt
  exit 1
fi
