// Drawing the augmentation of an image, and applying it in one pass over the result.
#include "io/augment.h"

#include <algorithm>
#include <vector>

#include "engine/errors.h"
#include "engine/rng.h"

namespace lamella {
namespace {

constexpr std::uint64_t kEpochStride = 0x9E3779B97F4A7C15;

// Position i of a row of n samples continued by reflection about its first and last sample.
std::int64_t reflect(std::int64_t i, std::int64_t n) {
  if (i < 0) return -i;
  return i < n ? i : 2 * n - 2 - i;
}

}  // namespace

Augmentation draw_augmentation(const AugmentOptions& options, const Preprocess& preprocess,
                               std::int64_t height, std::int64_t width, std::uint64_t seed,
                               std::int64_t epoch, std::int64_t image) {
  const std::int64_t pad = options.random_crop ? options.pad : 0;
  if (pad < 0 || pad >= height || pad >= width) {
    fail("augmentation: pad is ", pad, " but an image of ", height, "x", width,
         " can be reflected by 0 to ", std::min(height, width) - 1, " pixels");
  }
  if (options.quarter_turns && preprocess.height != preprocess.width) {
    fail("augmentation: quarter turns need a square input, but it is ", preprocess.height, "x",
         preprocess.width);
  }
  const std::int64_t room_y = height + 2 * pad - preprocess.height;
  const std::int64_t room_x = width + 2 * pad - preprocess.width;
  if (room_y < 0 || room_x < 0) {
    fail("augmentation: an image of ", height, "x", width, " is too small for crops of ",
         preprocess.height, "x", preprocess.width);
  }
  Rng rng(seed + static_cast<std::uint64_t>(epoch) * kEpochStride, RngStream::Augment,
          static_cast<std::uint32_t>(image));
  Augmentation drawn;
  drawn.y = rng.below(static_cast<std::uint32_t>(room_y + 1));
  drawn.x = rng.below(static_cast<std::uint32_t>(room_x + 1));
  drawn.flip_horizontal = rng.below(2) == 1 && options.flip_horizontal;
  drawn.flip_vertical = rng.below(2) == 1 && options.flip_vertical;
  drawn.turns = static_cast<int>(rng.below(4));
  if (!options.random_crop) {
    drawn.y = centre_offset(room_y);
    drawn.x = centre_offset(room_x);
  }
  if (!options.quarter_turns) drawn.turns = 0;
  return drawn;
}

Image augment(const Image& fitted, const AugmentOptions& options, const Preprocess& preprocess,
              const Augmentation& augmentation) {
  const std::int64_t height = preprocess.height, width = preprocess.width;
  const std::int64_t pad = options.random_crop ? options.pad : 0;
  // Where row i and column i of the flipped crop begin in the fitted image.
  const auto row_offset = [&](std::int64_t i) {
    if (augmentation.flip_vertical) i = height - 1 - i;
    return reflect(i + augmentation.y - pad, fitted.height) * fitted.width * fitted.channels;
  };
  const auto column_offset = [&](std::int64_t i) {
    if (augmentation.flip_horizontal) i = width - 1 - i;
    return reflect(i + augmentation.x - pad, fitted.width) * fitted.channels;
  };
  // After k turns the pixel (y, x) is the crop's (y, x), (x, last - y), (last - y, last - x) or
  // (last - x, y): one of its offsets depends on y alone, the other on x alone.
  const int turns = augmentation.turns;
  std::vector<std::int64_t> of_y, of_x;
  for (std::int64_t y = 0; y < height; ++y) {
    const std::int64_t i = turns == 1 || turns == 2 ? height - 1 - y : y;
    of_y.push_back(turns % 2 == 0 ? row_offset(i) : column_offset(i));
  }
  for (std::int64_t x = 0; x < width; ++x) {
    const std::int64_t i = turns >= 2 ? width - 1 - x : x;
    of_x.push_back(turns % 2 == 0 ? column_offset(i) : row_offset(i));
  }
  Image result{height, width, fitted.channels, fitted.bit_depth, {}};
  result.samples.resize(static_cast<std::size_t>(height * width * fitted.channels));
  auto to = result.samples.begin();
  for (const std::int64_t y : of_y) {
    for (const std::int64_t x : of_x) {
      const std::uint16_t* from = fitted.samples.data() + y + x;
      for (std::int64_t c = 0; c < fitted.channels; ++c) *to++ = from[c];
    }
  }
  return result;
}

}  // namespace lamella
