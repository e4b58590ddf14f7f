// A PNG, JPEG or TIFF file of any bytes. The checksums of a PNG are put right first: with wrong
// ones hardly any change would get beyond them.
#include <zlib.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "engine/errors.h"
#include "io/image.h"

namespace {

constexpr std::size_t kSignature = 8, kFrame = 12;  // length and name before a chunk, sum behind it

std::uint32_t big_endian(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24U | std::uint32_t{at[1]} << 16U | std::uint32_t{at[2]} << 8U |
         at[3];
}

void mend_checksums(std::vector<std::uint8_t>& png) {
  std::size_t at = kSignature;
  while (png.size() >= at + kFrame) {
    const std::size_t length = big_endian(&png[at]);
    if (length > png.size() - at - kFrame) return;
    const auto sum = ::crc32(0, &png[at + 4], static_cast<uInt>(length + 4));
    for (std::size_t i = 0; i < 4; ++i) {
      png[at + 8 + length + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    }
    at += length + kFrame;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  if (size > 4 && std::memcmp(data, "\x89PNG", 4) == 0) mend_checksums(bytes);
  lamella::ImageLimits limits;
  limits.pixels = 1 << 20;
  limits.bytes = 8U << 20U;
  try {
    const lamella::Image image = lamella::decode_image(bytes, "fuzz", limits);
    const auto samples = static_cast<std::size_t>(image.height * image.width * image.channels);
    if (image.samples.size() != samples || samples == 0) std::abort();
    if (lamella::upright(image).samples.size() != samples) std::abort();
  } catch (const lamella::Error&) {  // the only thing that may come
  }
  return 0;
}
