// Augmentation against slow, separate steps, and its addressing.
#include "io/augment.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <set>
#include <tuple>

#include "engine/ops.h"
#include "engine/rng.h"
#include "fixtures.h"
#include "io/augment_steps.h"

namespace lamella {
namespace {

using fixtures::error_of;
using fixtures::pattern;
using Map = std::function<std::pair<std::int64_t, std::int64_t>(std::int64_t, std::int64_t)>;

// An image of height x width whose pixel (y, x) is image(map(y, x)).
Image gather(const Image& image, std::int64_t height, std::int64_t width, const Map& map) {
  Image result{height, width, image.channels, image.bit_depth, {}};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const auto [row, column] = map(y, x);
      for (std::int64_t c = 0; c < image.channels; ++c) {
        const auto i = (row * image.width + column) * image.channels + c;
        result.samples.push_back(image.samples.at(static_cast<std::size_t>(i)));
      }
    }
  }
  return result;
}

// The part of `size` x `size` pixels from (y, x) on, flipped and turned as the bits of `i` say.
Augmentation moved(std::int64_t size, std::int64_t y, std::int64_t x, int i) {
  Augmentation a;
  a.y = static_cast<double>(y), a.x = static_cast<double>(x);
  a.height = a.width = static_cast<double>(size);
  a.flip_horizontal = (i & 1) != 0, a.flip_vertical = (i & 2) != 0;
  a.turns = i / 4;
  return a;
}

// The documented steps, one after the other.
Image step_by_step(const Image& image, std::int64_t size, std::int64_t pad, const Augmentation& a) {
  const auto reflect = [](std::int64_t i, std::int64_t n) {
    return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
  };
  Image out = gather(image, image.height + 2 * pad, image.width + 2 * pad, [&](auto y, auto x) {
    return std::pair{reflect(y - pad, image.height), reflect(x - pad, image.width)};
  });
  out = crop(out, static_cast<std::int64_t>(a.y) + pad, static_cast<std::int64_t>(a.x) + pad, size,
             size);
  const auto last = size - 1;
  if (a.flip_horizontal) {
    out = gather(out, size, size, [&](auto y, auto x) { return std::pair{y, last - x}; });
  }
  if (a.flip_vertical) {
    out = gather(out, size, size, [&](auto y, auto x) { return std::pair{last - y, x}; });
  }
  for (int turn = 0; turn < a.turns; ++turn) {  // numpy.rot90: the right column becomes the top row
    out = gather(out, size, size, [&](auto y, auto x) { return std::pair{x, last - y}; });
  }
  return out;
}

TEST(Augment, EqualsTheDocumentedSteps) {
  Preprocess preprocess;
  preprocess.height = preprocess.width = 9;
  for (const int channels : {1, 3}) {
    const Image image = pattern(11, 12, channels, 16);
    for (const std::int64_t pad : {0, 3}) {
      AugmentOptions options;
      options.random_crop = true;
      options.pad = pad;
      for (int i = 0; i < 16; ++i) {
        const Augmentation a = moved(9, i % 3 - pad, i % 2 - pad, i);
        EXPECT_EQ(augment(image, options, preprocess, a).samples,
                  step_by_step(image, 9, pad, a).samples)
            << i;
      }
    }
  }
}

// u and v of a place in an image, from those in its crop, flip or turn: row by row 2 x 3.
using Affine = std::array<float, 6>;

Affine product(const Affine& a, const Affine& b) {
  Affine c{};
  for (std::size_t row = 0; row < 6; row += 3) {
    for (std::size_t i = 0; i < 3; ++i) c[row + i] = a[row] * b[i] + a[row + 1] * b[3 + i];
    c[row + 2] += a[row + 2];
  }
  return c;
}

// The ops on bytes do on a device what the loader does on the host.
TEST(Augment, IsAMapOfImageResample) {
  Context ctx;
  const std::int64_t size = 9;
  const auto side = static_cast<float>(size);
  Preprocess preprocess;
  preprocess.height = preprocess.width = size;
  preprocess.channels = 3;
  preprocess.normalise = Normalise::Fixed;
  preprocess.mean = {0.485F, 0.456F, 0.406F}, preprocess.std = {0.229F, 0.224F, 0.225F};
  const Image image = pattern(11, 12, 3, 8);
  const std::vector<std::uint8_t> bytes(image.samples.begin(), image.samples.end());
  const ImageScale scale = image_scale(ctx, preprocess.mean, preprocess.std);
  const Tensor x = image_normalise(ctx, ctx.from_host(bytes, {1, 11, 12, 3}), scale);
  AugmentOptions options;
  options.random_crop = true;
  for (int i = 0; i < 16; ++i) {
    const Augmentation a = moved(size, i % 3, i % 2, i);
    Affine map{1, 0, static_cast<float>(a.x), 0, 1, static_cast<float>(a.y)};
    if (a.flip_horizontal) map = product(map, {-1, 0, side, 0, 1, 0});
    if (a.flip_vertical) map = product(map, {1, 0, 0, 0, -1, side});
    for (int turn = 0; turn < a.turns; ++turn) map = product(map, {0, -1, side, 1, 0, 0});
    const auto found = ctx.to_host(image_resample(ctx, x, ctx.from_host(map, {1, 6}), size, size));
    std::vector<float> expected(found.size());
    normalise(augment(image, options, preprocess, a), preprocess, expected.data());
    for (std::size_t k = 0; k < found.size(); ++k) ASSERT_NEAR(found[k], expected[k], 1e-6) << i;
  }
}

AugmentOptions everything(std::int64_t pad) {
  AugmentOptions all{true, true, true, true, pad, 30, 0.1};
  all.brightness = 0.2, all.contrast = 0.3, all.saturation = 0.4;
  all.blur = 2, all.noise = 0.1;
  return all;
}

TEST(Augment, DrawsAreTheDocumentedOnes) {
  Preprocess preprocess;
  preprocess.height = preprocess.width = 10;
  AugmentOptions all = everything(2);
  Rng rng(7 + 3 * 0x9E3779B97F4A7C15, RngStream::Augment, 5);
  const Augmentation drawn = draw_augmentation(all, preprocess, 12, 14, 7, 3, 5);
  EXPECT_EQ(drawn.y, static_cast<int>(rng.below(7)) - 2);
  EXPECT_EQ(drawn.x, static_cast<int>(rng.below(9)) - 2);
  EXPECT_EQ(drawn.flip_horizontal, rng.below(2) == 1);
  EXPECT_EQ(drawn.flip_vertical, rng.below(2) == 1);
  EXPECT_EQ(drawn.turns, static_cast<int>(rng.below(4)));
  EXPECT_DOUBLE_EQ(drawn.angle, rng.uniform(-30, 30));
  EXPECT_DOUBLE_EQ(drawn.shift_y, rng.uniform(-0.1, 0.1));
  EXPECT_DOUBLE_EQ(drawn.shift_x, rng.uniform(-0.1, 0.1));
  const double share = rng.uniform(0.25, 1);
  const double aspect = std::pow(4.0 / 3, rng.uniform(-1, 1));
  const double place_y = rng.uniform(), place_x = rng.uniform();
  EXPECT_DOUBLE_EQ(drawn.brightness, rng.uniform(0.8, 1.2));
  EXPECT_DOUBLE_EQ(drawn.contrast, rng.uniform(0.7, 1.3));
  EXPECT_DOUBLE_EQ(drawn.saturation, rng.uniform(0.6, 1.4));
  EXPECT_DOUBLE_EQ(drawn.blur, rng.uniform(0, 2));
  EXPECT_DOUBLE_EQ(drawn.noise, rng.uniform(0, 0.1));
  EXPECT_EQ(drawn.height, 10);

  all.random_crop = false;
  all.resized_crop = 0.25;
  const Augmentation part = draw_augmentation(all, preprocess, 12, 14, 7, 3, 5);
  EXPECT_NEAR(part.height * part.width, share * 12 * 14, 1e-9);  // neither side is cut short here
  EXPECT_NEAR(part.width / part.height, aspect * 14 / 12, 1e-9);
  EXPECT_NEAR(part.y, place_y * (12 - part.height), 1e-9);
  EXPECT_NEAR(part.x, place_x * (14 - part.width), 1e-9);
  EXPECT_EQ(part.blur, drawn.blur);
}

TEST(Augment, WhatIsOffIsNone) {
  Preprocess preprocess;
  preprocess.height = preprocess.width = 10;
  AugmentOptions turns_only;
  turns_only.quarter_turns = true;
  const Augmentation only = draw_augmentation(turns_only, preprocess, 12, 14, 7, 3, 5);
  EXPECT_EQ(only.y, 1);
  EXPECT_EQ(only.x, 2);
  EXPECT_FALSE(only.flip_horizontal || only.flip_vertical);
  EXPECT_EQ(only.turns, draw_augmentation(everything(2), preprocess, 12, 14, 7, 3, 5).turns);
  EXPECT_EQ(only.angle, 0);
  EXPECT_EQ(only.brightness, 1);
  EXPECT_EQ(only.blur, 0);
}

TEST(Augment, ReachesEveryOrientationAlike) {
  Preprocess preprocess;
  preprocess.height = preprocess.width = 8;
  std::map<std::tuple<bool, bool, int>, int> seen;
  for (int image = 0; image < 200; ++image) {
    for (int epoch = 0; epoch < 8; ++epoch) {
      const auto a = draw_augmentation({true, true, true}, preprocess, 8, 8, 1, epoch, image);
      ++seen[{a.flip_horizontal, a.flip_vertical, a.turns}];
    }
  }
  EXPECT_EQ(seen.size(), 16U);
  for (const auto& [what, count] : seen) EXPECT_NEAR(count, 100, 45);  // 4.6 standard deviations
}

TEST(Augment, RefusesWhatCannotBe) {
  Preprocess preprocess;
  preprocess.height = 8;
  preprocess.width = 9;
  AugmentOptions turns;
  turns.quarter_turns = true;
  EXPECT_EQ(error_of([&] { draw_augmentation(turns, preprocess, 9, 9, 0, 0, 0); }),
            "augmentation: quarter turns need a square input, but it is 8x9");
  AugmentOptions pad;
  pad.random_crop = true;
  pad.pad = 9;
  EXPECT_EQ(error_of([&] { draw_augmentation(pad, preprocess, 9, 9, 0, 0, 0); }),
            "augmentation: pad is 9 but an image of 9x9 can be reflected by 0 to 8 pixels");
  EXPECT_EQ(error_of([&] { draw_augmentation({}, preprocess, 7, 9, 0, 0, 0); }),
            "augmentation: an image of 7x9 is too small for crops of 8x9");
  AugmentOptions wrong;
  wrong.rotate = 181;
  EXPECT_EQ(error_of([&] { check(wrong); }), "augmentation: rotate is 181; it goes from 0 to 180");
  wrong = {};
  wrong.noise = std::nan("");
  EXPECT_EQ(error_of([&] { check(wrong); }), "augmentation: noise is nan; it goes from 0 to 1");
  wrong = {};
  wrong.random_crop = true, wrong.resized_crop = 0.5;
  EXPECT_EQ(error_of([&] { check(wrong); }),
            "augmentation: random_crop and resized_crop both choose the part that is seen; use "
            "one");
}

}  // namespace
}  // namespace lamella
