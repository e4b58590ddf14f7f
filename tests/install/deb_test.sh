#!/usr/bin/env bash
# The Debian package, unpacked into an empty folder, is all that a C program needs to be built, to
# train and to predict; what it links is told, and is small. deb_test.sh SOURCE BUILD WORK
set -euo pipefail
source=$1 build=$2 work=$3
for tool in cpack dpkg-deb dpkg-shlibdeps; do
  command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
rm -rf "$work"
mkdir -p "$work"/{root,pack}
(cd "$work/pack" && cpack -G DEB --config "$build/CPackConfig.cmake" >cpack.log 2>&1) ||
  { cat "$work/pack/cpack.log" && exit 1; }
package=$(ls "$work"/pack/*.deb)
dpkg-deb -x "$package" "$work/root"
echo "$package: $(stat -c %s "$package") bytes; depends on: $(dpkg-deb -f "$package" Depends)"
[[ $(dpkg-deb -f "$package" Depends) == *libc6* ]] || { echo "it names no dependencies" && exit 1; }

usr=$work/root/usr
flags=(-I"$usr/include/lamella" -L"$usr/lib" -llamella_c)
if command -v pkg-config >/dev/null; then
  read -ra flags < <(PKG_CONFIG_LIBDIR=$usr/lib/pkgconfig pkg-config --cflags --libs lamella)
fi
cc -std=c99 -Wall -Wextra -Werror "$source/examples/c_embed.c" -o "$work/c_embed" "${flags[@]}" \
  -Wl,-rpath-link,"$usr/lib" -pthread
export LD_LIBRARY_PATH=$usr/lib
"$usr/bin/lamella" synth tem --out "$work/data" --classes 2 --per-class 12 --size 32 --format png \
  >/dev/null
image=$(find "$work/data" -name '*.png' | sort | head -n 1)
"$work/c_embed" "$work/data" "$image" "$work/model.safetensors" 2>/dev/null

# Every library that the package links is in its list of parts.
parts=$usr/share/doc/lamella/lamella.spdx.json
python3 -m json.tool "$parts" >/dev/null
for needed in $(readelf -d "$usr"/lib/*.so "$usr/bin/lamella" |
  sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*/\1/p' | sort -u); do
  case $needed in
    liblamella*) part=lamella ;;
    libc | libm | libgcc_s | libgomp | libstdc++ | ld-linux*) part=compiler-runtime ;;
    libpng*) part=libpng ;;
    libz) part=zlib ;;
    libjpeg) part=libjpeg-turbo ;;
    libdnnl) part=oneDNN ;;
    *) part=$needed ;;
  esac
  grep -q "\"name\": \"$part\"" "$parts" || { echo "$parts does not name $needed" && exit 1; }
done

for library in liblamella liblamella_io liblamella_c; do
  ours=$(ldd "$usr/lib/$library.so" | grep -o 'liblamella[^ ]* => [^ ]*' || true)
  [[ -z $ours || $ours == *"$usr"* ]] || { echo "$library finds $ours" && exit 1; }
done
"$source/tools/checks/library.sh" "$usr"/lib/liblamella{,_io,_c}.so "$usr/bin/lamella"
