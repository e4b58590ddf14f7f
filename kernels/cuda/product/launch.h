// How products are launched: the tile for a shape, and shares of the depth.
//
// Least bytes of a product: those of a, b and y. A block reads its rows of a and its columns of b
// once, so that with tiles of R x C  a is read ceil(columns / C) times and b ceil(rows / R) times.
#pragma once

#include "kernels/cuda/product/fma_product.h"
#include "kernels/cuda/product/merge.h"
#include "kernels/cuda/product/mma_product.h"

namespace lamella::cuda {

// What multiplies elements of type T.
template <class T, int V, class Tile>
struct ProductOf {
  using Type = MmaProduct<T, V, Tile>;
};
template <int V, class Tile>
struct ProductOf<float, V, Tile> {
  using Type = FmaProduct<V, Tile>;
};
template <class T, int V, class Tile>
using TileProduct = typename ProductOf<T, V, Tile>::Type;

constexpr dim3 kProductThreads{kBlock, 1, 1};

// A product as its launcher sees it: y [out_rows, columns] in tiles over `rows` rows; `phases`
// products of the same form side by side (1, but for backward data with strides).
struct ProductShape {
  const char* name;
  DType dtype;
  std::int64_t out_rows, columns, pitch, depth;
  std::int64_t rows, phases;
  const float* bias;
  Write write;
  std::int64_t reserved = 0;  // floats of scratch for the caller
};

// `count` shares of `depth` each, a multiple of every slab's.
struct Shares {
  std::int64_t count, depth;
};

// Bytes that a product's operands, read once for each tile of the other dimension, and result take.
inline std::int64_t tile_traffic(const ProductShape& p, std::int64_t rows, std::int64_t columns) {
  const std::int64_t elements = p.rows * p.depth * divide_up(p.columns, columns) +
                                p.depth * p.columns * divide_up(p.rows, rows) + p.rows * p.columns;
  return elements * static_cast<std::int64_t>(size_of(p.dtype));
}

// Enough blocks for two on each multiprocessor of a large GPU; but with the partial products, which
// are written and read, traffic may be at most 1.4 times that of large tiles.
inline Shares plan_shares(const ProductShape& p, std::int64_t tile_rows,
                          std::int64_t tile_columns) {
  constexpr std::int64_t kWantedBlocks = 264, kLeastDepth = 128, kSlab = 32;
  const std::int64_t tiles =
      divide_up(p.rows, tile_rows) * divide_up(p.columns, tile_columns) * p.phases;
  const std::int64_t allowed = tile_traffic(p, LargeTile::kRows, LargeTile::kColumns) * 7 / 5 -
                               tile_traffic(p, tile_rows, tile_columns);
  const std::int64_t partial = 2 * static_cast<std::int64_t>(sizeof(float)) * p.rows * p.columns;
  const std::int64_t most = std::min(allowed / partial, p.depth / kLeastDepth);
  const std::int64_t wanted = std::min(divide_up(kWantedBlocks, tiles), most);
  const std::int64_t share = divide_up(p.depth, std::max<std::int64_t>(wanted, 1));
  const std::int64_t depth = std::max<std::int64_t>(divide_up(share, kSlab), 1) * kSlab;
  return {std::max<std::int64_t>(divide_up(p.depth, depth), 1), depth};
}

// Calls run.operator()<Tile>(grid, out, reserved) once, where `reserved` is p's floats of scratch,
// and merges the shares where there are several.
template <class T, class Tile, class Run>
void run_tiles(const KernelContext& ctx, const ProductShape& p, T* y, const Run& run) {
  const Shares shares = plan_shares(p, Tile::kRows, Tile::kColumns);
  const bool shared_out = shares.count > 1;
  const std::int64_t partials = shared_out ? shares.count * p.out_rows * p.columns : 0;
  const std::int64_t reserved = divide_up(p.reserved, 4) * 4;
  float* scratch = reserved + partials == 0 ? nullptr : ctx.scratch<float>(reserved + partials);
  TileOut out{p.out_rows, p.columns, p.pitch, shares.depth, nullptr, p.write, false};
  if (shared_out) {
    out.partials = scratch + reserved;
    out.vectorised = p.columns % 4 == 0;
  } else {
    out.vectorised = Access{p.dtype, {p.columns, p.pitch}, {y, p.bias}}.vectorised();
  }
  const dim3 grid{static_cast<unsigned>(divide_up(p.rows, Tile::kRows)),
                  static_cast<unsigned>(divide_up(p.columns, Tile::kColumns)),
                  static_cast<unsigned>(shares.count * p.phases)};
  run.template operator()<Tile>(grid, out, scratch);
  if (!shared_out) return;
  merge_shares(p.name, ctx, out, shares.count, p.bias, y);
}

// The tile for the shape: an operand is read once for each tile of the other dimension, so the
// large one wherever both exceed 64.
template <int V, class T, class Run>
void run_product(const KernelContext& ctx, const ProductShape& p, T* y, const Run& run) {
  if (p.out_rows == 0 || p.columns == 0) return;
  if constexpr (V == 1) {
    run_tiles<T, SmallTile>(ctx, p, y, run);
  } else if (p.columns <= NarrowTile::kColumns) {
    run_tiles<T, NarrowTile>(ctx, p, y, run);
  } else if (std::min(p.rows, p.columns) <= SmallTile::kRows) {
    run_tiles<T, SmallTile>(ctx, p, y, run);
  } else {
    run_tiles<T, LargeTile>(ctx, p, y, run);
  }
}

}  // namespace lamella::cuda
