// The orientation in a JPEG file's EXIF segment (Exif 2.3, sections 4.5 and 4.6.4). Nothing in the
// file is believed: whatever does not fit is as if it were not there.
#include <algorithm>
#include <string_view>

#include "io/codecs.h"

namespace lamella::codecs {
namespace {

constexpr int kUpright = 1;

// Numbers of 2 and 4 bytes in either order. `at` + their size must be within the bytes.
struct Numbers {
  Bytes bytes;
  bool little;

  std::size_t get(std::size_t at, std::size_t size) const {
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = value << 8U | bytes[at + (little ? size - 1 - i : i)];
    }
    return value;
  }
};

bool begins_with(Bytes bytes, std::string_view text) {
  return bytes.size() >= text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

// Of the TIFF structure that EXIF is: the tag in the first directory.
int orientation_in(Bytes tiff) {
  constexpr std::size_t kEntry = 12, kTag = 0x0112, kShort = 3;
  if (tiff.size() < 8) return kUpright;
  const bool little = begins_with(tiff, "II");
  const Numbers numbers{tiff, little};
  if ((!little && !begins_with(tiff, "MM")) || numbers.get(2, 2) != 42) return kUpright;
  const std::size_t directory = numbers.get(4, 4);
  if (directory > tiff.size() - 2) return kUpright;
  const std::size_t room = (tiff.size() - directory - 2) / kEntry;
  const std::size_t entries = std::min(numbers.get(directory, 2), room);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntry;
    if (numbers.get(entry, 2) != kTag) continue;
    const std::size_t value = numbers.get(entry + 8, 2);
    const bool fits = numbers.get(entry + 2, 2) == kShort && numbers.get(entry + 4, 4) == 1;
    return fits && value >= 1 && value <= 8 ? static_cast<int>(value) : kUpright;
  }
  return kUpright;
}

}  // namespace

int exif_orientation(Bytes jpeg) {
  using namespace std::string_view_literals;
  constexpr std::uint8_t kApp1 = 0xE1, kScan = 0xDA, kEnd = 0xD9;
  const Numbers numbers{jpeg, false};
  std::size_t at = 2;  // behind the marker that begins the file
  while (at + 4 <= jpeg.size() && jpeg[at] == 0xFF) {
    const std::uint8_t marker = jpeg[at + 1];
    if (marker == 0xFF) {  // a byte of filling
      ++at;
      continue;
    }
    if (marker == kScan || marker == kEnd) break;
    const std::size_t length = numbers.get(at + 2, 2);  // these two bytes included
    if (length < 2 || length > jpeg.size() - at - 2) break;
    const Bytes content = jpeg.subspan(at + 4, length - 2);
    if (marker == kApp1 && begins_with(content, "Exif\0\0"sv)) {
      return orientation_in(content.subspan(6));
    }
    at += 2 + length;
  }
  return kUpright;
}

}  // namespace lamella::codecs
