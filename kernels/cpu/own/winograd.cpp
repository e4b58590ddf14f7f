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

// As many blocks for every thread, each as large as the cache takes.
std::int64_t tiles_per_block(Ctx ctx, std::int64_t tiles, std::int64_t channels) {
  const std::int64_t fit = kCacheFloats / (kPoints * channels) / kTileRows * kTileRows;
  const std::int64_t most = larger(2 * kTileRows, smaller(fit, 13 * kTileRows));
  const std::int64_t blocks = round_up(ceil_div(tiles, most), ctx.threads);
  return larger(kTileRows, round_up(ceil_div(tiles, larger(1, blocks)), kTileRows));
}

// A convolution of `in` channels to `out` channels over a grid of input tiles; forward and
// backward-data are both of this kind.
struct TileProduct {
  TileGrid grid;      // of the input
  std::int64_t P, Q;  // output pixels
  std::int64_t in, out;
  std::int64_t out_pitch;
  std::int64_t images;
  bool add = false, relu = false;

  std::int64_t tiles() const { return images * grid.rows * grid.columns; }
  std::int64_t block(Ctx ctx) const { return tiles_per_block(ctx, tiles(), in); }
  std::int64_t panel_floats() const { return kPoints * in * kTileColumns; }
  std::int64_t all_panel_floats() const { return panels_of(out) * panel_floats(); }
  // Of transformed tiles and of their products, for one thread.
  std::int64_t tile_floats(Ctx ctx) const {
    return chunks_of(in) * kPoints * block(ctx) * kPatchPitch;
  }
  std::int64_t part_floats(Ctx ctx) const {
    return tile_floats(ctx) + kPoints * block(ctx) * kTileColumns;
  }
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
          const Vec value = y[a][b] + (product.add ? lanes.load(to) : start);
          lanes.store(to, product.relu ? relu(value) : value);
        }
    });
  }
}

// scratch: what the normalisation needs, then one block of tiles and products per thread.
std::int64_t scratch_of(Ctx ctx, const TileProduct& product, const Normalisation& norm) {
  return norm.floats() + ctx.threads * product.part_floats(ctx);
}

void run_product(Ctx ctx, TileProduct product, const Normalisation& norm, const float* panels,
                 const float* in, const float* bias, float* scratch, float* out) {
  product.grid.prologue = norm.prologue(scratch);
  const std::int64_t total = product.tiles(), most = product.block(ctx);
  const std::int64_t blocks = ceil_div(total, most), part_floats = product.part_floats(ctx);
  const int parts = static_cast<int>(smaller(ctx.threads, blocks));
  const auto run_block = [&](std::int64_t block, float* tiles, float* products) {
    const std::int64_t first = block * most, count = smaller(most, total - first);
    for (std::int64_t c = 0; c < product.in; c += kDepth)
      write_input_tiles(product.grid, in, first, count, c, smaller(kDepth, product.in - c),
                        tiles + c / kDepth * kPoints * count * kPatchPitch);
    for (std::int64_t column = 0; column < product.out; column += kTileColumns) {
      multiply_tiles(product, tiles, panels + column / kTileColumns * product.panel_floats(), count,
                     products);
      write_outputs(product, products, first, count, column, bias, out);
    }
  };
  for_parts(ctx, parts, blocks, [&](int part, std::int64_t begin, std::int64_t end) {
    float* tiles = scratch + norm.floats() + part * part_floats;
    for (std::int64_t block = begin; block < end; ++block)
      run_block(block, tiles, tiles + product.tile_floats(ctx));
  });
}

TileProduct forward_product(const Conv2dShape& s) {
  const TileGrid grid{ceil_div(s.P, 2), ceil_div(s.Q, 2), s.H,    s.W, s.C,
                      s.x_pitch,        s.pad_h,          s.pad_w};
  return {grid, s.P, s.Q, s.C, s.K, s.y_pitch, s.N};
}

}  // namespace

std::int64_t winograd_panel_floats(const Conv2dShape& shape) {
  return forward_product(shape).all_panel_floats();
}

void winograd_pack(Ctx ctx, const Conv2dShape& shape, const float* w, float* panels) {
  pack_panels(ctx, forward_product(shape), {w, 1, 9 * shape.C, shape.C, false}, panels);
}

std::int64_t winograd_scratch(Ctx ctx, const Conv2dShape& shape, const Normalisation& norm) {
  return scratch_of(ctx, forward_product(shape), norm);
}

void winograd_run(Ctx ctx, const Conv2dShape& shape, const Normalisation& norm, const float* x,
                  const float* panels, const float* bias, bool relu, float* scratch, float* y) {
  TileProduct product = forward_product(shape);
  product.relu = relu;
  run_product(ctx, product, norm, panels, x, bias, scratch, y);
}

void winograd_bwd_data(Ctx ctx, const Conv2dShape& s, const float* dy, const float* w, float* dx,
                       Write write) {
  const TileGrid grid{ceil_div(s.H, 2), ceil_div(s.W, 2), s.P,        s.Q, s.K,
                      s.y_pitch,        2 - s.pad_h,      2 - s.pad_w};
  const TileProduct product{grid, s.H, s.W, s.K, s.C, s.x_pitch, s.N, write == Write::Add};
  float* panels = scratch_floats(ctx, product.all_panel_floats() + scratch_of(ctx, product, {}));
  pack_panels(ctx, product, {w, 9 * s.C, 1, s.C, true}, panels);
  run_product(ctx, product, {}, panels, dy, nullptr, panels + product.all_panel_floats(), dx);
}

}  // namespace lamella::cpu::LAMELLA_ISA
