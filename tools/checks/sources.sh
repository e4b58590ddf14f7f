# Sourced by the checks. `sources PATTERN...` prints the project's files of these names, NUL-ended,
# by paths from the root of the tree that is the script's first argument (default: this one).
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"

sources() {
  local names=() pattern
  for pattern in "$@"; do names+=(-o -name "$pattern"); done
  find . \( -path ./build -o -path ./.git -o -path ./demo-run -o -path ./.venv \) -prune \
    -o \( "${names[@]:1}" \) -type f -print0 | sed -z 's|^\./||' | sort -z
}
