#!/usr/bin/env bash
# Fetches public weights named in weights/catalogue.json, verifies them, and makes of them a file
# that lamella needs no option for:
#   get_weights.sh NAME [--to FOLDER]      without NAME: what there is
# A download that was cut off goes on where it stopped. LAMELLA names the tool, default
# build/release/bin/lamella; CATALOGUE another catalogue. Needs curl, sha256sum and python3.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
catalogue=${CATALOGUE:-$root/weights/catalogue.json}
lamella=${LAMELLA:-$root/build/release/bin/lamella}
name="" folder=.
die() { echo "get_weights: $1" >&2 && exit "${2:-1}"; }
while [[ $# != 0 ]]; do
  case $1 in
    --to) [[ $# -ge 2 ]] || die "--to needs a folder" 2; folder=$2 && shift ;;
    -*) die "there is no option $1; get_weights.sh NAME [--to FOLDER]" 2 ;;
    *) [[ -z $name ]] || die "one name at a time" 2; name=$1 ;;
  esac
  shift
done

# field KEY: of the entry called $name; empty where it is null. Without KEY: every name.
field() {
  python3 - "$catalogue" "$name" "$@" <<'EOF'
import json, sys
catalogue, name, *key = sys.argv[1:]
entries = {entry["name"]: entry for entry in json.load(open(catalogue))["weights"]}
if not key:
    print(*entries)
elif name in entries and entries[name].get(key[0]) is not None:
    print(entries[name][key[0]])
EOF
}

[[ -n $name ]] || { echo "weights: $(field)" && exit 0; }
address=$(field address)
[[ -n $address ]] || die "there are no weights called $name; there are $(field)"
[[ -x $lamella ]] || die "$lamella is missing; LAMELLA names the tool"
mkdir -p "$folder"
file=$folder/$name.${address##*.}
part=$file.part
echo "licence: $(field licence)"

# What is verified stays under its own name; what is not yet, under another.
if [[ ! -e $file ]]; then
  curl --fail --location --silent --show-error --continue-at - --output "$part" "$address" ||
    die "$address could not be fetched; the same command goes on from where it stopped"
  size=$(field size)
  if [[ -n $size && $(stat -c %s "$part") -ne $size ]]; then
    die "$part has $(stat -c %s "$part") bytes, and $size were expected: remove it and try again"
  fi
  hash=$(sha256sum "$part" | cut -d ' ' -f 1)
  expected=$(field sha256)
  [[ -n $expected ]] || expected=$(field sha256_begins)
  if [[ -z $expected ]]; then
    echo "get_weights: the catalogue has no hash to verify by; sha256 is $hash" >&2
  elif [[ $hash != "$expected"* ]]; then
    die "$part has sha256 $hash, and $expected was expected: remove it and try again"
  fi
  mv "$part" "$file"
fi
"$lamella" convert "$file" --model "$(field model)" --out "$folder/$name.lamella.safetensors"
echo "next:    $lamella predict --weights $folder/$name.lamella.safetensors IMAGE"
