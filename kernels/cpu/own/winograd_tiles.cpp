// Reads tiles of an image and writes them transformed, one [tile][channel] matrix per point.
#include "kernels/cpu/own/patches.h"
#include "kernels/cpu/own/winograd.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

// Calls transform(tile values, t) for each tile and vector of channels, then writes the points.
template <int kSize, bool kNormalised, class Transform>
inline void write_tiles(const TileGrid& grid, const float* base, std::int64_t first,
                        std::int64_t count, std::int64_t c, std::int64_t columns, float* out,
                        const Transform& transform) {
  for (std::int64_t i = 0; i < count; ++i, out += kPatchPitch) {
    const std::int64_t tile = first + i, n = tile / (grid.rows * grid.columns);
    const std::int64_t h = tile / grid.columns % grid.rows * 2 - grid.pad_h;
    const std::int64_t w = tile % grid.columns * 2 - grid.pad_w;
    const float* corner = base + ((n * grid.H + h) * grid.W + w) * grid.pitch + c;
    const bool inside = h >= 0 && w >= 0 && h + kSize <= grid.H && w + kSize <= grid.W;
    for_vectors(columns, [&](std::int64_t k, auto lanes) {
      Vec values[kSize][kSize], points[4][4];
      LAMELLA_UNROLL for (int a = 0; a < kSize; ++a)
          LAMELLA_UNROLL for (int b = 0; b < kSize; ++b) {
        const bool there = inside || (h + a >= 0 && h + a < grid.H && w + b >= 0 && w + b < grid.W);
        values[a][b] = there ? lanes.load(corner + (a * grid.W + b) * grid.pitch + k) : Vec{};
        if (kNormalised && there) values[a][b] = grid.prologue.apply(values[a][b], c + k, lanes);
      }
      transform(values, points);
      LAMELLA_UNROLL for (int p = 0; p < kPoints; ++p)
          store(out + p * count * kPatchPitch + k, points[p / 4][p % 4]);
    });
  }
}

}  // namespace

void write_input_tiles(const TileGrid& grid, const float* base, std::int64_t first,
                       std::int64_t count, std::int64_t c, std::int64_t columns, float* out) {
  const auto transform = [](auto& values, auto& points) {
    transform_input(values);
    LAMELLA_UNROLL for (int p = 0; p < kPoints; ++p) points[p / 4][p % 4] = values[p / 4][p % 4];
  };
  if (grid.prologue)
    write_tiles<4, true>(grid, base, first, count, c, columns, out, transform);
  else
    write_tiles<4, false>(grid, base, first, count, c, columns, out, transform);
}

void write_gradient_tiles(const TileGrid& grid, const float* base, std::int64_t first,
                          std::int64_t count, std::int64_t c, std::int64_t columns, float* out) {
  write_tiles<2, false>(grid, base, first, count, c, columns, out,
                        [](auto& values, auto& points) { transform_gradient(values, points); });
}

}  // namespace lamella::cpu::LAMELLA_ISA
