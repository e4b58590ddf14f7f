// Augmentations that read between pixels, and those of values, against what is known of them.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "engine/ops.h"
#include "fixtures.h"
#include "io/augment_steps.h"

namespace lamella {
namespace {

using fixtures::pattern;

Preprocess sized(std::int64_t height, std::int64_t width) {
  Preprocess preprocess;
  preprocess.height = height, preprocess.width = width;
  return preprocess;
}

Augmentation whole(const Image& image) {
  Augmentation a;
  a.height = static_cast<double>(image.height), a.width = static_cast<double>(image.width);
  return a;
}

// A plane: linear in x and y, so that reading between its pixels is exact away from the border.
Image slope(std::int64_t height, std::int64_t width, int down, int right) {
  Image image{height, width, 1, 16, {}};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      image.samples.push_back(static_cast<std::uint16_t>(20000 + down * y + right * x));
    }
  }
  return image;
}

TEST(Warp, MovesPixelsAsTheOtherWayDoes) {
  for (const int channels : {1, 3}) {
    const Image image = pattern(11, 12, channels, 16);
    for (int i = 0; i < 16; ++i) {
      Augmentation a;
      a.height = a.width = 9;
      a.y = i % 5 - 2, a.x = i % 4 - 3;  // also beyond the border
      a.flip_horizontal = (i & 1) != 0, a.flip_vertical = (i & 2) != 0, a.turns = i / 4;
      EXPECT_EQ(warp(image, sized(9, 9), a).samples, move_pixels(image, sized(9, 9), a).samples)
          << i;
    }
  }
}

TEST(Warp, QuarterTurnsByAngleAreThoseOfPixels) {
  const Image image = pattern(9, 9, 3, 8);
  for (const int quarters : {-1, 1, 2}) {
    Augmentation by_angle = whole(image), by_turns = whole(image);
    by_angle.angle = 90 * quarters;
    by_turns.turns = (quarters + 4) % 4;
    EXPECT_EQ(warp(image, sized(9, 9), by_angle).samples,
              move_pixels(image, sized(9, 9), by_turns).samples)
        << quarters;
  }
}

TEST(Warp, ShiftsWhatIsSeenDownAndRight) {
  const Image image = pattern(8, 10, 1, 8);
  Augmentation a = whole(image);
  a.shift_y = 2.0 / 8, a.shift_x = 3.0 / 10;
  const Image shifted = warp(image, sized(8, 10), a);
  for (std::size_t y = 2; y < 8; ++y) {
    for (std::size_t x = 3; x < 10; ++x) {
      EXPECT_EQ(shifted.samples[y * 10 + x], image.samples[(y - 2) * 10 + x - 3]);
    }
  }
}

// Rotated by 30 degrees counter-clockwise, what rose to the right rises to the upper right.
TEST(Warp, RotatesAPlane) {
  const Image image = slope(41, 41, 0, 600);
  Augmentation a = whole(image);
  a.angle = 30;
  const Image rotated = warp(image, sized(41, 41), a);
  const auto at = [&](std::size_t y, std::size_t x) {
    return static_cast<double>(rotated.samples[y * 41 + x]);
  };
  EXPECT_EQ(at(20, 20), 20000 + 600 * 20);
  EXPECT_NEAR(at(20, 28) - at(20, 20), 8 * 600 * std::cos(M_PI / 6), 1);
  EXPECT_NEAR(at(12, 20) - at(20, 20), 8 * 600 * std::sin(M_PI / 6), 1);
}

TEST(Warp, BringsAPartToTheSizeOfTheResult) {
  const Image image = slope(40, 50, 300, 500);
  Augmentation a;
  a.y = 7.25, a.x = 11.5, a.height = 16, a.width = 20;
  const Image part = warp(image, sized(32, 80), a);
  for (std::size_t p = 0; p < 32; p += 5) {
    for (std::size_t q = 0; q < 80; q += 7) {
      const double y = 7.25 + (static_cast<double>(p) + 0.5) / 2 - 0.5;
      const double x = 11.5 + (static_cast<double>(q) + 0.5) / 4 - 0.5;
      EXPECT_NEAR(part.samples[p * 80 + q], 20000 + 300 * y + 500 * x, 0.51);
    }
  }
}

TEST(Warp, StandsAnImageOfOnePixel) {
  const Image image = pattern(1, 1, 3, 8);
  Augmentation a = whole(image);
  a.angle = 17, a.shift_x = 0.7;
  EXPECT_EQ(warp(image, sized(1, 1), a).samples, image.samples);
}

// The same on a device: image_jitter, whose values are not rounded.
TEST(Tone, IsThatOfImageJitter) {
  Context ctx;
  for (const int channels : {1, 3}) {
    const Image image = pattern(7, 6, channels, 8);
    Augmentation a = whole(image);
    a.brightness = 1.2, a.contrast = 0.7, a.saturation = 1.4;
    std::vector<float> scaled;
    for (const std::uint16_t sample : image.samples) {
      scaled.push_back(static_cast<float>(sample) / 255);
    }
    const Tensor factors = ctx.from_host(std::vector<float>{1.2F, 0.7F, 1.4F}, {1, 3});
    const auto expected =
        ctx.to_host(image_jitter(ctx, ctx.from_host(scaled, {1, 7, 6, channels}), factors));
    const Image found = change_tone(image, a);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(found.samples[i], expected[i] * 255, 0.501) << i;
    }
  }
}

TEST(Tone, BlursToAGaussian) {
  Image image{21, 25, 3, 16, std::vector<std::uint16_t>(21 * 25 * 3, 0)};
  image.samples[(10 * 25 + 12) * 3 + 1] = 65535;  // a point, in the second channel
  Augmentation a = whole(image);
  a.blur = 1.5;
  const Image blurred = change_tone(image, a);
  double sum = 0;
  for (int k = -5; k <= 5; ++k) sum += std::exp(-k * k / 4.5);
  for (int y = 0; y < 21; ++y) {
    for (int x = 0; x < 25; ++x) {
      const int dy = y - 10, dx = x - 12;
      const bool near = std::abs(dy) <= 5 && std::abs(dx) <= 5;
      const double expected = near ? 65535 * std::exp(-(dy * dy + dx * dx) / 4.5) / sum / sum : 0;
      const auto at = static_cast<std::size_t>((y * 25 + x) * 3);
      EXPECT_NEAR(blurred.samples[at + 1], expected, 1);
      EXPECT_EQ(blurred.samples[at] + blurred.samples[at + 2], 0);
    }
  }
}

TEST(Tone, BlurLeavesConstantImagesAlone) {
  Image image{3, 2, 1, 8, std::vector<std::uint16_t>(6, 77)};  // narrower than the Gaussian
  Augmentation a = whole(image);
  a.blur = 4;
  EXPECT_EQ(change_tone(image, a).samples, image.samples);
}

TEST(Tone, NoiseHasItsDeviationAndAddress) {
  const Image image{100, 100, 1, 16, std::vector<std::uint16_t>(10000, 32768)};
  Augmentation a = whole(image);
  a.noise = 0.05, a.noise_seed = 3, a.noise_substream = 4;
  const Image noisy = change_tone(image, a);
  double sum = 0, squares = 0;
  for (const std::uint16_t sample : noisy.samples) {
    const double difference = (sample - 32768.0) / 65535;
    sum += difference, squares += difference * difference;
  }
  EXPECT_NEAR(sum / 10000, 0, 0.002);                     // 4 standard errors
  EXPECT_NEAR(std::sqrt(squares / 10000), 0.05, 0.0015);  // 4 standard errors
  EXPECT_EQ(change_tone(image, a).samples, noisy.samples);
  a.noise_substream = 5;
  EXPECT_NE(change_tone(image, a).samples, noisy.samples);
}

TEST(Tone, StaysWithinTheRange) {
  const Image image = pattern(9, 9, 3, 8);
  Augmentation a = whole(image);
  a.brightness = 2, a.contrast = 2, a.saturation = 2, a.noise = 1;
  for (const std::uint16_t sample : change_tone(image, a).samples) EXPECT_LE(sample, 255);
}

}  // namespace
}  // namespace lamella
