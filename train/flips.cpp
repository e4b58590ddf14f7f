#include "train/flips.h"

#include <algorithm>
#include <array>

#include "engine/errors.h"

namespace lamella {

Batch flipped(const Batch& batch, int flip) {
  const auto [N, H, W, C] = std::array{batch.N, batch.H, batch.W, batch.C};
  const bool left_right = (flip & 1) != 0, top_bottom = (flip & 2) != 0, diagonal = (flip & 4) != 0;
  if (diagonal && H != W) {
    fail("quarter turns need square images, but these are ", H, "x", W, "; use 4 flips");
  }
  Batch result = batch;
  auto to = result.pixels.begin();
  for (std::int64_t n = 0; n < N; ++n) {
    for (std::int64_t y = 0; y < H; ++y) {
      for (std::int64_t x = 0; x < W; ++x) {
        std::int64_t row = top_bottom ? H - 1 - y : y, column = left_right ? W - 1 - x : x;
        if (diagonal) std::swap(row, column);
        to = std::copy_n(batch.pixels.begin() + ((n * H + row) * W + column) * C, C, to);
      }
    }
  }
  return result;
}

}  // namespace lamella
