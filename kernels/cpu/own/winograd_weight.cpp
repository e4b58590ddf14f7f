// The filter gradient of a 3x3 convolution in Winograd's form: at each of the 16 points, the
// product of transformed dy (transposed) and transformed x, summed over tiles, and transformed back
// once.
#include "kernels/cpu/own/patches.h"
#include "kernels/cpu/own/product.h"
#include "kernels/cpu/own/winograd.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

constexpr std::int64_t kTiles = 64;          // per block
constexpr std::int64_t kTilesPerSum = 8192;  // bounds the length of one f32 sum

struct Gradient {
  const Conv2dShape& shape;
  TileGrid in, out;

  std::int64_t in_floats() const {
    return ceil_div(shape.C, kDepth) * kPoints * kTiles * kPatchPitch;
  }
  std::int64_t out_floats() const {
    return ceil_div(shape.K, kDepth) * kPoints * kTiles * kPatchPitch;
  }
  std::int64_t sum_floats() const { return kPoints * shape.K * shape.C; }

  // sums[point][K][C] += over the tiles of one block.
  void add_block(const float* x_tiles, const float* dy_tiles, std::int64_t count,
                 float* sums) const {
    for (std::int64_t c = 0; c < shape.C; c += kTileColumns)
      for (std::int64_t p = 0; p < kPoints; ++p) {
        const float* b = at(x_tiles, p, count, c);
        for (std::int64_t k = 0; k < shape.K;) {
          // A strip of rows stays inside one chunk of kDepth channels.
          const std::int64_t rows = smaller(smaller(kTileRows, shape.K - k), kDepth - k % kDepth);
          const TileTarget target{sums + (p * shape.K + k) * shape.C + c, shape.C,
                                  static_cast<int>(smaller(kTileColumns, shape.C - c)), true,
                                  nullptr};
          product_rows<1>(static_cast<int>(rows), count, at(dy_tiles, p, count, k), kPatchPitch, b,
                          kPatchPitch, target);
          k += rows;
        }
      }
  }

  static const float* at(const float* tiles, std::int64_t point, std::int64_t count,
                         std::int64_t channel) {
    return tiles + (channel / kDepth * kPoints + point) * count * kPatchPitch + channel % kDepth;
  }

  // dw [K,3,3,C] (=|+=) the transformed total of `parts` sums, for filters [begin, end).
  void write(const float* sums, int parts, std::int64_t begin, std::int64_t end, Write write,
             float* dw) const {
    for (std::int64_t k = begin; k < end; ++k)
      for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
        Vec u[4][4] = {}, g[3][3];
        for (int part = 0; part < parts; ++part)
          for (std::int64_t p = 0; p < kPoints; ++p)
            u[p / 4][p % 4] +=
                lanes.load(sums + part * sum_floats() + (p * shape.K + k) * shape.C + c);
        transform_filter_gradient(u, g);
        for (int tap = 0; tap < 9; ++tap) {
          float* to = dw + (k * 9 + tap) * shape.C + c;
          const Vec value = g[tap / 3][tap % 3];
          lanes.store(to, write == Write::Add ? lanes.load(to) + value : value);
        }
      });
  }
};

}  // namespace

void winograd_bwd_weight(Ctx ctx, const Conv2dShape& s, const Normalisation& norm, const float* x,
                         const float* dy, float* dw, Write write) {
  const std::int64_t rows = ceil_div(s.P, 2), columns = ceil_div(s.Q, 2);
  Gradient gradient{s,
                    {rows, columns, s.H, s.W, s.C, s.x_pitch, s.pad_h, s.pad_w},
                    {rows, columns, s.P, s.Q, s.K, s.y_pitch, 0, 0}};
  const std::int64_t total = s.N * rows * columns, blocks = ceil_div(total, kTiles);
  const std::int64_t wanted = round_up(ceil_div(total, kTilesPerSum), ctx.threads);
  const auto parts = static_cast<int>(smaller(wanted, blocks));
  const std::int64_t tile_floats = gradient.in_floats() + gradient.out_floats();
  float* scales =
      scratch_floats(ctx, norm.floats() + parts * (gradient.sum_floats() + tile_floats));
  gradient.in.prologue = norm.prologue(scales);
  float* sums = scales + norm.floats();
  for_parts(ctx, parts, blocks, [&](int part, std::int64_t begin, std::int64_t end) {
    float* own = sums + part * gradient.sum_floats();
    float* x_tiles = sums + parts * gradient.sum_floats() + part * tile_floats;
    float* dy_tiles = x_tiles + gradient.in_floats();
    zero_floats(own, gradient.sum_floats());
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t first = block * kTiles, count = smaller(kTiles, total - first);
      const std::int64_t chunk = kPoints * count * kPatchPitch;
      for (std::int64_t c = 0; c < s.C; c += kDepth)
        write_input_tiles(gradient.in, x, first, count, c, smaller(kDepth, s.C - c),
                          x_tiles + c / kDepth * chunk);
      for (std::int64_t k = 0; k < s.K; k += kDepth)
        write_gradient_tiles(gradient.out, dy, first, count, k, smaller(kDepth, s.K - k),
                             dy_tiles + k / kDepth * chunk);
      gradient.add_block(x_tiles, dy_tiles, count, own);
    }
  });
  for_parts(ctx, parts_for(ctx, s.K, s.C * kPoints * parts), s.K,
            [&](int, std::int64_t begin, std::int64_t end) {
              gradient.write(sums, parts, begin, end, write, dw);
            });
}

}  // namespace lamella::cpu::LAMELLA_ISA
