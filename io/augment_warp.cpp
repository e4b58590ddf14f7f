// Augmentations that read between pixels: one affine map from the result to the image.
#include <array>
#include <cmath>
#include <numbers>

#include "io/augment_steps.h"

namespace lamella {
namespace {

// u and v from x and y: u = m[0] x + m[1] y + m[2], v = m[3] x + m[4] y + m[5]. Pixel (row i,
// column j) is the square [j, j+1) x [i, i+1).
using Affine = std::array<double, 6>;

// First b, then a.
Affine product(const Affine& a, const Affine& b) {
  Affine c{};
  for (std::size_t row = 0; row < 6; row += 3) {
    for (std::size_t i = 0; i < 3; ++i) c[row + i] = a[row] * b[i] + a[row + 1] * b[3 + i];
    c[row + 2] += a[row + 2];
  }
  return c;
}

// From a place in the result to where it is read, step by step from the result back.
Affine map_of(const Preprocess& preprocess, const Augmentation& a) {
  const auto height = static_cast<double>(preprocess.height);
  const auto width = static_cast<double>(preprocess.width);
  Affine map{1, 0, 0, 0, 1, 0};
  for (int turn = 0; turn < a.turns; ++turn) map = product({0, -1, width, 1, 0, 0}, map);
  if (a.flip_vertical) map = product({1, 0, 0, 0, -1, height}, map);
  if (a.flip_horizontal) map = product({-1, 0, width, 0, 1, 0}, map);
  // To pixels of the image, from the centre of the part on.
  map = product({a.width / width, 0, -a.width / 2, 0, a.height / height, -a.height / 2}, map);
  map = product({1, 0, -a.shift_x * a.width, 0, 1, -a.shift_y * a.height}, map);
  const double radians = a.angle / 180 * std::numbers::pi;
  const double cosine = std::cos(radians), sine = std::sin(radians);
  map = product({cosine, -sine, 0, sine, cosine, 0}, map);
  return product({1, 0, a.x + a.width / 2, 0, 1, a.y + a.height / 2}, map);
}

// The two samples around a place on a row or column, and the weight of the second.
struct Neighbours {
  std::int64_t first, second;
  double weight;
};

Neighbours around(double place, std::int64_t count) {
  const double centre = place - 0.5, below = std::floor(centre);
  const auto i = static_cast<std::int64_t>(below);
  return {reflected(i, count), reflected(i + 1, count), centre - below};
}

}  // namespace

Image warp(const Image& fitted, const Preprocess& preprocess, const Augmentation& augmentation) {
  const Affine m = map_of(preprocess, augmentation);
  Image result{preprocess.height, preprocess.width, fitted.channels, fitted.bit_depth, {}};
  result.samples.reserve(static_cast<std::size_t>(result.height * result.width * result.channels));
  for (std::int64_t p = 0; p < result.height; ++p) {
    for (std::int64_t q = 0; q < result.width; ++q) {
      const double x = static_cast<double>(q) + 0.5, y = static_cast<double>(p) + 0.5;
      const Neighbours column = around(m[0] * x + m[1] * y + m[2], fitted.width);
      const Neighbours row = around(m[3] * x + m[4] * y + m[5], fitted.height);
      const auto sample = [&](std::int64_t i, std::int64_t j, std::int64_t c) {
        const std::int64_t at = (i * fitted.width + j) * fitted.channels + c;
        return static_cast<double>(fitted.samples[static_cast<std::size_t>(at)]);
      };
      for (std::int64_t c = 0; c < fitted.channels; ++c) {
        const double above = std::lerp(sample(row.first, column.first, c),
                                       sample(row.first, column.second, c), column.weight);
        const double below = std::lerp(sample(row.second, column.first, c),
                                       sample(row.second, column.second, c), column.weight);
        const double value = std::lerp(above, below, row.weight);
        result.samples.push_back(static_cast<std::uint16_t>(std::lround(value)));
      }
    }
  }
  return result;
}

}  // namespace lamella
