// 3x3 convolution in Winograd's form: a block of tiles is transformed, multiplied at each of the 16
// points with the transformed filters, and transformed back, all within the second-level cache.
#include "kernels/cpu/own/winograd.h"

#include "kernels/cpu/own/patches.h"
#include "kernels/cpu/own/product.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

constexpr std::int64_t kCacheFloats = 192 * 1024;  // of transformed tiles: 768 KB of second level

std::int64_t chunks_of(std::int64_t channels) {
  return ceil_div(channels, kDepth);
}
std::int64_t panels_of(std::int64_t columns) {
  return ceil_div(columns, kTileColumns);
}

std::int64_t tiles_per_block(std::int64_t channels) {
  const std::int64_t fit = kCacheFloats / (kPoints * channels) / kTileRows * kTileRows;
  return larger(2 * kTileRows, smaller(fit, 13 * kTileRows));
}

// A convolution of `in` channels to `out` channels over a grid of input tiles; forward and
// backward-data are both of this kind.
struct TileProduct {
  TileGrid grid;      // of the input
  std::int64_t P, Q;  // output pixels
  std::int64_t in, out;
  std::int64_t out_pitch;
  bool add;

  std::int64_t block() const { return tiles_per_block(in); }
  std::int64_t tile_floats() const { return chunks_of(in) * kPoints * block() * kPatchPitch; }
  std::int64_t product_floats() const { return kPoints * block() * kTileColumns; }
  std::int64_t panel_floats() const { return kPoints * in * kTileColumns; }
};

// panels[panel][point][in][kTileColumns]; element (i, o) of tap (r, s) is
// w[i * i_step + o * o_step + tap * tap_step]; one of the two steps is 1.
struct FilterView {
  const float* w;
  std::int64_t i_step, o_step, tap_step;
  bool turned;

  template <class Lanes>
  void read(std::int64_t i, std::int64_t o, Lanes lanes, Vec (&g)[3][3]) const {
    LAMELLA_UNROLL for (int tap = 0; tap < 9; ++tap) {
      const int from = turned ? 8 - tap : tap;
      g[tap / 3][tap % 3] = lanes.load(w + i * i_step + o * o_step + from * tap_step);
    }
  }
};

// One panel where outputs are contiguous in w (backward-data): vectors are stored as they are.
void pack_panel_by_output(const FilterView& view, std::int64_t in, std::int64_t first,
                          std::int64_t columns, float* panel) {
  zero_floats(panel, kPoints * in * kTileColumns);
  for (std::int64_t i = 0; i < in; ++i)
    for_vectors(columns, [&](std::int64_t o, auto lanes) {
      Vec g[3][3], u[4][4];
      view.read(i, first + o, lanes, g);
      transform_filter(g, u);
      for (int p = 0; p < kPoints; ++p)
        store(panel + (p * in + i) * kTileColumns + o, u[p / 4][p % 4]);
    });
}

// One panel where inputs are contiguous in w (forward): vectors are spread over rows.
void pack_panel_by_input(const FilterView& view, std::int64_t in, std::int64_t first,
                         std::int64_t columns, float* panel) {
  zero_floats(panel, kPoints * in * kTileColumns);
  for (std::int64_t o = 0; o < columns; ++o)
    for_vectors(in, [&](std::int64_t i, auto lanes) {
      Vec g[3][3], u[4][4];
      view.read(i, first + o, lanes, g);
      transform_filter(g, u);
      for (int p = 0; p < kPoints; ++p) {
        float values[kLanes];
        store(values, u[p / 4][p % 4]);
        for (int lane = 0; lane < lanes.size(); ++lane)
          panel[(p * in + i + lane) * kTileColumns + o] = values[lane];
      }
    });
}

void pack_panels(Ctx ctx, const TileProduct& product, const FilterView& view, float* panels) {
  const std::int64_t count = panels_of(product.out);
  for_parts(ctx, parts_for(ctx, count, product.panel_floats()), count,
            [&](int, std::int64_t begin, std::int64_t end) {
              for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t first = i * kTileColumns;
                const std::int64_t columns = smaller(kTileColumns, product.out - first);
                const auto pack = view.o_step == 1 ? pack_panel_by_output : pack_panel_by_input;
                pack(view, product.in, first, columns, panels + i * product.panel_floats());
              }
            });
}

// products[point][tile][kTileColumns] for one panel of output channels.
void multiply_tiles(const TileProduct& product, const float* tiles, const float* panel,
                    std::int64_t count, float* products) {
  for (std::int64_t c = 0; c < product.in; c += kDepth)
    for (std::int64_t p = 0; p < kPoints; ++p)
      for (std::int64_t i = 0; i < count; i += kTileRows) {
        const float* a = tiles + ((c / kDepth * kPoints + p) * count + i) * kPatchPitch;
        const TileTarget target{products + (p * count + i) * kTileColumns, kTileColumns,
                                kTileColumns, c > 0, nullptr};
        product_rows<kPatchPitch>(
            static_cast<int>(smaller(kTileRows, count - i)), smaller(kDepth, product.in - c), a, 1,
            panel + (p * product.in + c) * kTileColumns, kTileColumns, target);
      }
}

// Transforms the products of one panel back and writes them, where they lie inside the output.
void write_outputs(const TileProduct& product, const float* products, std::int64_t first,
                   std::int64_t count, std::int64_t column, const float* bias, float* out) {
  const TileGrid& grid = product.grid;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t tile = first + i, n = tile / (grid.rows * grid.columns);
    const std::int64_t p = tile / grid.columns % grid.rows * 2, q = tile % grid.columns * 2;
    float* corner = out + ((n * product.P + p) * product.Q + q) * product.out_pitch + column;
    for_vectors(smaller(kTileColumns, product.out - column), [&](std::int64_t k, auto lanes) {
      Vec m[4][4], y[2][2];
      LAMELLA_UNROLL for (int point = 0; point < kPoints; ++point) m[point / 4][point % 4] =
          load(products + (point * count + i) * kTileColumns + k);
      transform_output(m, y);
      const Vec start = bias == nullptr ? Vec{} : lanes.load(bias + column + k);
      for (int a = 0; a < 2; ++a)
        for (int b = 0; b < 2; ++b) {
          if (p + a >= product.P || q + b >= product.Q) continue;
          float* to = corner + (a * product.Q + b) * product.out_pitch + k;
          lanes.store(to, y[a][b] + (product.add ? lanes.load(to) : start));
        }
    });
  }
}

// scratch: what the normalisation needs, the panels, then one block of tiles and products per
// thread.
void run_product(Ctx ctx, TileProduct product, const Normalisation& norm, const FilterView& view,
                 std::int64_t N, const float* in, const float* bias, float* out) {
  const std::int64_t panel_floats = panels_of(product.out) * product.panel_floats();
  const std::int64_t part_floats = product.tile_floats() + product.product_floats();
  float* scales = scratch_floats(ctx, norm.floats() + panel_floats + ctx.threads * part_floats);
  product.grid.prologue = norm.prologue(scales);
  float* panels = scales + norm.floats();
  pack_panels(ctx, product, view, panels);
  const TileGrid& grid = product.grid;
  const std::int64_t total = N * grid.rows * grid.columns,
                     blocks = ceil_div(total, product.block());
  const int parts = static_cast<int>(smaller(ctx.threads, blocks));
  for_parts(ctx, parts, blocks, [&](int part, std::int64_t begin, std::int64_t end) {
    float* tiles = panels + panel_floats + part * part_floats;
    float* products = tiles + product.tile_floats();
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t first = block * product.block();
      const std::int64_t count = smaller(product.block(), total - first);
      for (std::int64_t c = 0; c < product.in; c += kDepth)
        write_input_tiles(grid, in, first, count, c, smaller(kDepth, product.in - c),
                          tiles + c / kDepth * kPoints * count * kPatchPitch);
      for (std::int64_t column = 0; column < product.out; column += kTileColumns) {
        multiply_tiles(product, tiles, panels + column / kTileColumns * product.panel_floats(),
                       count, products);
        write_outputs(product, products, first, count, column, bias, out);
      }
    }
  });
}

}  // namespace

void winograd_fwd(Ctx ctx, const Conv2dShape& s, const Normalisation& norm, const float* x,
                  const float* w, const float* bias, float* y) {
  const TileGrid grid{ceil_div(s.P, 2), ceil_div(s.Q, 2), s.H,    s.W, s.C,
                      s.x_pitch,        s.pad_h,          s.pad_w};
  run_product(ctx, {grid, s.P, s.Q, s.C, s.K, s.y_pitch, false}, norm, {w, 1, 9 * s.C, s.C, false},
              s.N, x, bias, y);
}

void winograd_bwd_data(Ctx ctx, const Conv2dShape& s, const float* dy, const float* w, float* dx,
                       Write write) {
  const TileGrid grid{ceil_div(s.H, 2), ceil_div(s.W, 2), s.P,        s.Q, s.K,
                      s.y_pitch,        2 - s.pad_h,      2 - s.pad_w};
  run_product(ctx, {grid, s.H, s.W, s.K, s.C, s.x_pitch, write == Write::Add}, {},
              {w, 9 * s.C, 1, s.C, true}, s.N, dy, nullptr, dx);
}

}  // namespace lamella::cpu::LAMELLA_ISA
