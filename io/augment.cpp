// Drawing and applying the augmentation of one image, in one pass over the result.
#include "io/augment.h"

#include <algorithm>
#include <utility>

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
  if (!options.random_crop) drawn.y = room_y / 2, drawn.x = room_x / 2;
  if (!options.quarter_turns) drawn.turns = 0;
  return drawn;
}

Image augment(const Image& fitted, const AugmentOptions& options, const Preprocess& preprocess,
              const Augmentation& augmentation) {
  const std::int64_t height = preprocess.height, width = preprocess.width;
  const std::int64_t pad = options.random_crop ? options.pad : 0;
  Image result{height, width, fitted.channels, fitted.bit_depth, {}};
  result.samples.reserve(static_cast<std::size_t>(height * width * fitted.channels));
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      // From the place in the result back to the place in the fitted image.
      std::int64_t row = y, column = x;
      for (int turn = 0; turn < augmentation.turns; ++turn) {
        row = std::exchange(column, width - 1 - row);
      }
      if (augmentation.flip_vertical) row = height - 1 - row;
      if (augmentation.flip_horizontal) column = width - 1 - column;
      row = reflect(row + augmentation.y - pad, fitted.height);
      column = reflect(column + augmentation.x - pad, fitted.width);
      const auto from = fitted.samples.begin() + (row * fitted.width + column) * fitted.channels;
      result.samples.insert(result.samples.end(), from, from + fitted.channels);
    }
  }
  return result;
}

}  // namespace lamella
