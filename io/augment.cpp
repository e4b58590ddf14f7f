// Drawing the augmentation of an image, and the augmentations that only move pixels.
#include "io/augment.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/errors.h"
#include "engine/rng.h"
#include "io/augment_steps.h"

namespace lamella {
namespace {

constexpr std::uint64_t kEpochStride = 0x9E3779B97F4A7C15;

void check_sizes(const AugmentOptions& options, const Preprocess& preprocess, std::int64_t height,
                 std::int64_t width) {
  const std::int64_t pad = options.random_crop ? options.pad : 0;
  if (pad < 0 || pad >= height || pad >= width) {
    fail("augmentation: pad is ", pad, " but an image of ", height, "x", width,
         " can be reflected by 0 to ", std::min(height, width) - 1, " pixels");
  }
  if (options.quarter_turns && preprocess.height != preprocess.width) {
    fail("augmentation: quarter turns need a square input, but it is ", preprocess.height, "x",
         preprocess.width);
  }
  if (height + 2 * pad < preprocess.height || width + 2 * pad < preprocess.width) {
    fail("augmentation: an image of ", height, "x", width, " is too small for crops of ",
         preprocess.height, "x", preprocess.width);
  }
}

// The share and the aspect of a resized crop, and its place; a side is never longer than the image.
void draw_part(Rng& rng, double smallest, std::int64_t height, std::int64_t width,
               Augmentation& drawn) {
  const double share = rng.uniform(smallest, 1);
  const double aspect = std::exp(rng.uniform(std::log(3.0 / 4), std::log(4.0 / 3)));
  const double place_y = rng.uniform(), place_x = rng.uniform();
  if (smallest == 1) return;
  drawn.height = static_cast<double>(height) * std::min(1.0, std::sqrt(share / aspect));
  drawn.width = static_cast<double>(width) * std::min(1.0, std::sqrt(share * aspect));
  drawn.y = place_y * (static_cast<double>(height) - drawn.height);
  drawn.x = place_x * (static_cast<double>(width) - drawn.width);
}

}  // namespace

void check(const AugmentOptions& options) {
  const auto in = [](const char* name, double value, double low, double high) {
    if (value >= low && value <= high) return;
    fail("augmentation: ", name, " is ", value, "; it goes from ", low, " to ", high);
  };
  in("rotate", options.rotate, 0, 180);
  in("translate", options.translate, 0, 1);
  in("resized_crop", options.resized_crop, 0.01, 1);
  in("brightness", options.brightness, 0, 1);
  in("contrast", options.contrast, 0, 1);
  in("saturation", options.saturation, 0, 1);
  in("blur", options.blur, 0, 16);
  in("noise", options.noise, 0, 1);
  if (options.random_crop && options.resized_crop < 1) {
    fail("augmentation: random_crop and resized_crop both choose the part that is seen; use one");
  }
}

Augmentation draw_augmentation(const AugmentOptions& options, const Preprocess& preprocess,
                               std::int64_t height, std::int64_t width, std::uint64_t seed,
                               std::int64_t epoch, std::int64_t image) {
  check_sizes(options, preprocess, height, width);
  const std::int64_t pad = options.random_crop ? options.pad : 0;
  const std::int64_t room_y = height + 2 * pad - preprocess.height;
  const std::int64_t room_x = width + 2 * pad - preprocess.width;
  Augmentation drawn;
  drawn.height = static_cast<double>(preprocess.height);
  drawn.width = static_cast<double>(preprocess.width);
  drawn.noise_seed = seed + static_cast<std::uint64_t>(epoch) * kEpochStride;
  drawn.noise_substream = static_cast<std::uint32_t>(image);
  Rng rng(drawn.noise_seed, RngStream::Augment, drawn.noise_substream);
  const std::int64_t y = rng.below(static_cast<std::uint32_t>(room_y + 1));
  const std::int64_t x = rng.below(static_cast<std::uint32_t>(room_x + 1));
  drawn.y = static_cast<double>(options.random_crop ? y - pad : centre_offset(room_y));
  drawn.x = static_cast<double>(options.random_crop ? x - pad : centre_offset(room_x));
  drawn.flip_horizontal = rng.below(2) == 1 && options.flip_horizontal;
  drawn.flip_vertical = rng.below(2) == 1 && options.flip_vertical;
  const int turns = static_cast<int>(rng.below(4));
  if (options.quarter_turns) drawn.turns = turns;
  drawn.angle = rng.uniform(-options.rotate, options.rotate);
  drawn.shift_y = rng.uniform(-options.translate, options.translate);
  drawn.shift_x = rng.uniform(-options.translate, options.translate);
  draw_part(rng, options.resized_crop, height, width, drawn);
  drawn.brightness = rng.uniform(1 - options.brightness, 1 + options.brightness);
  drawn.contrast = rng.uniform(1 - options.contrast, 1 + options.contrast);
  drawn.saturation = rng.uniform(1 - options.saturation, 1 + options.saturation);
  drawn.blur = rng.uniform(0, options.blur);
  drawn.noise = rng.uniform(0, options.noise);
  return drawn;
}

Image move_pixels(const Image& fitted, const Preprocess& preprocess,
                  const Augmentation& augmentation) {
  const std::int64_t height = preprocess.height, width = preprocess.width;
  const auto top = static_cast<std::int64_t>(augmentation.y);
  const auto left = static_cast<std::int64_t>(augmentation.x);
  // Where row i and column i of the flipped crop begin in the fitted image.
  const auto row_offset = [&](std::int64_t i) {
    if (augmentation.flip_vertical) i = height - 1 - i;
    return reflected(i + top, fitted.height) * fitted.width * fitted.channels;
  };
  const auto column_offset = [&](std::int64_t i) {
    if (augmentation.flip_horizontal) i = width - 1 - i;
    return reflected(i + left, fitted.width) * fitted.channels;
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

Image augment(const Image& fitted, const AugmentOptions& options, const Preprocess& preprocess,
              const Augmentation& augmentation) {
  Image image = options.warps() ? warp(fitted, preprocess, augmentation)
                                : move_pixels(fitted, preprocess, augmentation);
  return change_tone(std::move(image), augmentation);
}

}  // namespace lamella
