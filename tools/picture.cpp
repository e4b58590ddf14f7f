#include "tools/picture.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/errors.h"
#include "io/preprocess.h"

namespace lamella::tool {
namespace {

// RFC 4648, section 4.
std::string base64(const std::vector<std::uint8_t>& bytes) {
  const char* const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 3; ++j) word = word << 8 | (j < left ? bytes[i + j] : 0U);
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= left ? digits[word >> (18 - 6 * j) & 63U] : '=';
    }
  }
  return text;
}

Image in_8_bits(Image image) {
  if (image.bit_depth == 8 || image.samples.empty()) return image;
  const auto [low, high] = std::minmax_element(image.samples.begin(), image.samples.end());
  const std::int64_t darkest = *low, range = std::max<std::int64_t>(1, *high - *low);
  for (std::uint16_t& sample : image.samples) {
    sample = static_cast<std::uint16_t>((sample - darkest) * 255 / range);
  }
  image.bit_depth = 8;
  return image;
}

}  // namespace

std::string picture_address(const Dataset& dataset, const std::string& path) {
  constexpr std::int64_t kSide = 112;
  try {
    Image image = dataset.reader->read(dataset.root + "/" + path);
    Preprocess small;
    small.height = small.width = kSide;
    small.channels = image.channels;
    small.resize = ResizeRule::ShortSide;
    image = in_8_bits(fit_image(image, small));
    const std::int64_t y = (image.height - kSide) / 2, x = (image.width - kSide) / 2;
    return "data:image/png;base64," + base64(encode_png(crop(image, y, x, kSide, kSide)));
  } catch (const Error&) {
    return "";
  }
}

}  // namespace lamella::tool
