#!/usr/bin/env bash
# Installs what is missing to build lamella, and with the argument `test` also what ./test.sh uses.
# Debian 12 and Ubuntu 24.04. Touches neither packages nor network when everything is there.
set -euo pipefail

required=(g++ cmake ninja-build libpng-dev libjpeg-dev libtiff-dev zlib1g-dev libcli11-dev
  nlohmann-json3-dev libgtest-dev libbenchmark-dev)
# Used where the distribution offers them; lamella builds without.
optional=(libdnnl-dev)
if [[ ${1:-} == test ]]; then
  # The second compiler, the pinned formatter and linter, a compiler cache, the cross compiler for
  # 64-bit ARM and what runs its programs, and a browser to look at reports with. A check whose tool
  # the distribution does not offer is skipped, and counted as skipped.
  optional+=(clang-14 libomp-14-dev clang-format-14 clang-tidy-14 ccache
    g++-aarch64-linux-gnu qemu-user chromium)
fi

if ! command -v apt-get >/dev/null; then
  echo "setup: no apt here; going on with what is installed (needed: ${required[*]})"
  exit 0
fi

# Prints those of its arguments that are not installed.
missing_of() {
  local installed
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  local package
  for package in "$@"; do
    [[ $'\n'$installed$'\n' == *$'\n'"$package installed"$'\n'* ]] || echo "$package"
  done
}

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes \
    apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

offered() { [[ $(apt-cache policy "$1" 2>/dev/null) == *'Candidate: '[!\(]* ]]; }

mapfile -t lacking < <(missing_of "${required[@]}")
mapfile -t wanted < <(missing_of "${optional[@]}")
if [[ ${#lacking[@]} == 0 && ${#wanted[@]} == 0 ]]; then
  echo "setup: everything is installed"
  exit 0
fi
as_root=()
if [[ $(id -u) != 0 ]]; then
  as_root=(sudo)
  if ! command -v sudo >/dev/null; then
    echo "setup: not installed: ${lacking[*]} ${wanted[*]}; run this as root or install sudo" >&2
    exit $((${#lacking[@]} == 0 ? 0 : 1))
  fi
fi
# Package lists are fetched where something must come, or where there are none yet.
if [[ ${#lacking[@]} != 0 ]] || ! offered g++; then
  echo "setup: fetching the package lists"
  apt update || echo "setup: the package lists could not be fetched; going on with those here"
fi
if [[ ${#lacking[@]} != 0 ]]; then
  echo "setup: installing ${lacking[*]}"
  apt install -y --no-install-recommends "${lacking[@]}" >/dev/null
fi
for package in "${wanted[@]}"; do
  if ! offered "$package"; then
    echo "setup: $package is not offered by this distribution; going on without it"
  else
    echo "setup: installing $package"
    apt install -y --no-install-recommends "$package" >/dev/null ||
      echo "setup: $package could not be installed; going on without it"
  fi
done
