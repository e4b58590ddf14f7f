// The tiled product on the f32 units. A block walks the depth in slabs: its threads bring one of a
// and one of b into shared memory, then each multiplies its rows by its columns in registers, 8 x 8
// in the large tile. A thread's rows and columns come in groups of four, read by 16 bytes.
#pragma once

#include "kernels/cuda/product/tile.h"

namespace lamella::cuda {

// A slab in shared memory, a row for each depth. Groups of four elements change places within a
// row, by exclusive or with a number of the row: threads that write down a column meet different
// banks, whether they bring four neighbours along the depth or one, and a row is still read by 16
// bytes at a time.
template <int depths, int lines>
struct FmaSlab {
  alignas(16) float rows[depths][lines];
  __device__ float* at(int depth, int line) {
    const int group = ((depth / 4 % 4) ^ (depth / 2 % 2 * 2)) * 2 + depth % 2;
    return &rows[depth][line ^ group * 4];
  }
};

template <class Operand, class Slab>
__device__ __forceinline__ void fill_slab(const Operand& operand, std::int64_t depth, Slab& slab) {
  using Place = typename Operand::Place;
  constexpr int V = Place::kV;
  if (!Place::takes_part()) return;
  for (int pass = 0; pass < Place::kPasses; ++pass) {
    const Run<V> run = load_run(operand, operand(pass, depth));
    if constexpr (Place::kAlongDepth) {
      for (int i = 0; i < V; ++i) *slab.at(Place::depth(pass) + i, Place::line(pass)) = run[i];
    } else {
      store<V>(slab.at(Place::depth(pass), Place::line(pass)), run);
    }
  }
}

template <int V, class Tile>
class FmaProduct {
 public:
  static constexpr int kDepth = V == 1 ? 8 : 16;
  template <bool along_depth>
  using Rows = Fill<V, kDepth, Tile::kRows, along_depth>;
  template <bool along_depth>
  using Columns = Fill<V, kDepth, Tile::kColumns, along_depth>;

  // Adds the product of a and b over a share of the depth. All threads of the block call it.
  template <class A, class B>
  __device__ __forceinline__ void add(const A& a, const B& b, const Share& share) {
    SHARED(Slabs, slabs);
    for (std::int64_t depth = share.begin; depth < share.end; depth += kDepth) {
      fill_slab(a, depth, slabs.a);
      fill_slab(b, depth, slabs.b);
      __syncthreads();
      for (int k = 0; k < kDepth; ++k) multiply(slabs, k);
      __syncthreads();
    }
  }

  // Writes the tile: y[row_of(row)][column] (=|+=) sum + bias[column], bias may be null, or the
  // share's partial product.
  template <class RowOf>
  __device__ __forceinline__ void write(const TileOut& out, std::int64_t share,
                                        const float* __restrict__ bias, float* __restrict__ y,
                                        const RowOf& row_of) const {
    const bool partial = out.partials != nullptr;
    float* base = partial ? out.partials + share * out.rows * out.columns : y;
    const std::int64_t pitch = partial ? out.columns : out.pitch;
    UNROLL for (int i = 0; i < kRowGroups * 4; ++i) {
      const std::int64_t row = row_of(Tile::first_row() + row_of_group(i / 4) + i % 4);
      if (row < 0) continue;
      UNROLL for (int group = 0; group < kColumnGroups; ++group) {
        const std::int64_t column = Tile::first_column() + column_of_group(group);
        Run<4> run;
        UNROLL for (int j = 0; j < 4; ++j) run[j] = sum_[i][group * 4 + j];
        if (!partial && bias != nullptr) add_bias(run, bias, column, out);
        write_run(base + row * pitch, column, out.columns, out.vectorised, run,
                  partial ? Write::Set : out.write);
      }
    }
  }

 private:
  static constexpr int kAcross = Tile::kColumns == 32 ? 8 : 16, kDown = kBlock / kAcross;
  static constexpr int kRowGroups = Tile::kRows / kDown / 4;
  static constexpr int kColumnGroups = Tile::kColumns / kAcross / 4;
  struct Slabs {
    FmaSlab<kDepth, Tile::kRows> a;
    FmaSlab<kDepth, Tile::kColumns> b;
  };

  __device__ static int row_of_group(int group) {
    return (static_cast<int>(threadIdx.x) / kAcross + group * kDown) * 4;
  }
  __device__ static int column_of_group(int group) {
    return (static_cast<int>(threadIdx.x) % kAcross + group * kAcross) * 4;
  }

  __device__ __forceinline__ static void add_bias(Run<4>& run, const float* __restrict__ bias,
                                                  std::int64_t column, const TileOut& out) {
    if (out.vectorised && column < out.columns) {
      const Run<4> more = load<4>(bias + column);
      for (int j = 0; j < 4; ++j) run[j] += more[j];
    } else {
      for (int j = 0; j < 4; ++j) {
        if (column + j < out.columns) run[j] += bias[column + j];
      }
    }
  }

  __device__ __forceinline__ void multiply(Slabs& slabs, int k) {
    Run<4> left[kRowGroups], right[kColumnGroups];
    UNROLL for (int i = 0; i < kRowGroups; ++i) {
      left[i] = load<4>(slabs.a.at(k, row_of_group(i)));
    }
    UNROLL for (int j = 0; j < kColumnGroups; ++j) {
      right[j] = load<4>(slabs.b.at(k, column_of_group(j)));
    }
    UNROLL for (int i = 0; i < kRowGroups * 4; ++i) {
      UNROLL for (int j = 0; j < kColumnGroups * 4; ++j) {
        sum_[i][j] += left[i / 4][i % 4] * right[j / 4][j % 4];
      }
    }
  }

  float sum_[kRowGroups * 4][kColumnGroups * 4] = {};
};

}  // namespace lamella::cuda
