#!/usr/bin/env bash
# The second compiler sees every line, or every line but those of tests and benches, and must have
# nothing to warn of; it makes no code, because only its warnings are wanted.
# clang.sh BUILD_FOLDER [product]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
command -v clang++-14 >/dev/null || { echo "clang++-14 is not installed" && exit 77; }
cmake --preset debug -B "$1" -DLAMELLA_WERROR=ON -DCMAKE_CXX_COMPILER=clang++-14
# A file that is compiled several times, for several instruction sets or emulators, is read once, as
# the last of them.
python3 - "$1/compile_commands.json" "${2:-all}" <<'EOF' | tr '\n' '\0' |
import json, re, sys
commands = {unit["file"]: unit for unit in json.load(open(sys.argv[1]))}
for unit in commands.values():
    if sys.argv[2] == "product" and re.search(r"/(tests|bench)/", unit["file"]):
        continue
    check = re.sub(r" -o \S+ -c ", " -fsyntax-only ", unit["command"], count=1)
    assert check != unit["command"], unit["command"]
    print(f"cd '{unit['directory']}' && echo '{unit['file']}' && {check}")
EOF
  xargs -0 -P "$(nproc)" -n 1 sh -c
