// The tiled product of 16-bit operands on tensor cores (mma m16n8k16, f32 sums). Slabs of a and b
// come straight from global into shared memory by asynchronous 16-byte copies, a ring of kStages of
// them: while the warps multiply one slab, the next are on their way. Each of the block's 8 warps
// makes a part of the tile, 32 columns wide, out of 16 x 8 pieces. The results are exchanged
// through shared memory, so that whole rows are written by 16-byte accesses.
#pragma once

#include "kernels/cuda/product/tile.h"

namespace lamella::cuda {

constexpr int kChunk = 8;   // 16-bit elements in 16 bytes
constexpr int kPiece = 16;  // rows, and depth, of one matrix instruction

// A slab in shared memory as it lies in global memory: rows of `row` neighbours. The 16-byte chunks
// of a row change places by exclusive or with a number of the row: the same chunk of 8 rows, which
// is what the matrix loads read, then lies in 8 different groups of banks, and so do the chunks
// that 8 threads write.
template <class T, int rows, int row>
struct MmaSlab {
  alignas(16) T elements[rows][row];
  __device__ T* at(int line, int element) {
    const int swizzle = row / kChunk >= 8 ? line % 8 : line / 2 % 4;
    return &elements[line][(element / kChunk ^ swizzle) * kChunk + element % kChunk];
  }
};

template <class T, int V, class Tile>
class MmaProduct {
 public:
  static constexpr int kDepth = 32, kStages = 3;
  template <bool along_depth>
  using Rows = Fill<V, kDepth, Tile::kRows, along_depth>;
  template <bool along_depth>
  using Columns = Fill<V, kDepth, Tile::kColumns, along_depth>;

  // Adds the product of a and b over a share of the depth. All threads of the block call it.
  template <class A, class B>
  __device__ __forceinline__ void add(const A& a, const B& b, const Share& share) {
    Memory<A, B>& memory = shared_memory<A, B>();
    const std::int64_t slabs = (share.end - share.begin + kDepth - 1) / kDepth;
    const auto bring = [&](std::int64_t slab) {
      if (slab < slabs) {
        auto& stage = memory.stages[slab % kStages];
        fill(a, share.begin + slab * kDepth, stage.a);
        fill(b, share.begin + slab * kDepth, stage.b);
      }
      commit_copies();
    };
    for (int slab = 0; slab < kStages - 1; ++slab) bring(slab);
    for (std::int64_t slab = 0; slab < slabs; ++slab) {
      wait_for_copies<kStages - 2>();
      __syncthreads();  // this slab is there, and all are done with the one before it
      bring(slab + kStages - 1);
      auto& stage = memory.stages[slab % kStages];
      for (int depth = 0; depth < kDepth; depth += kPiece) {
        multiply<A::Place::kAlongDepth, B::Place::kAlongDepth>(stage, depth);
      }
    }
    __syncthreads();  // `write` uses the memory again
    staging_ = memory.staging[warp_of_thread()];
  }

  // As in fma_product.h. The block must have called add.
  template <class RowOf>
  __device__ __forceinline__ void write(const TileOut& out, std::int64_t share,
                                        const float* __restrict__ bias, T* __restrict__ y,
                                        const RowOf& row_of) {
    UNROLL for (int piece = 0; piece < kRowPieces; ++piece) {
      stage_piece(piece, out.partials == nullptr ? bias : nullptr, out.columns);
      __syncwarp();
      if (out.partials != nullptr) {
        float* mine = out.partials + share * out.rows * out.columns;
        const Target<float> target{mine, out.columns, out.columns, Write::Set};
        out.vectorised ? write_piece<4>(piece, target, row_of)
                       : write_piece<1>(piece, target, row_of);
      } else {
        const Target<T> target{y, out.pitch, out.columns, out.write};
        out.vectorised ? write_piece<kChunk>(piece, target, row_of)
                       : write_piece<1>(piece, target, row_of);
      }
      __syncwarp();
    }
  }

 private:
  static constexpr int kWarps = kBlock / kWarpLanes, kWarpColumns = 32;
  static constexpr int kWarpsAcross = Tile::kColumns / kWarpColumns;
  static constexpr int kWarpRows = Tile::kRows / (kWarps / kWarpsAcross);
  static constexpr int kRowPieces = kWarpRows / kPiece, kColumnPieces = kWarpColumns / 8;

  template <class Place>
  using SlabOf = MmaSlab<T, Place::kRows, Place::kRow>;
  template <class A, class B>
  struct Stage {
    SlabOf<typename A::Place> a;
    SlabOf<typename B::Place> b;
  };
  using Staging = float[kPiece][kWarpColumns];
  template <class A, class B>
  union Memory {
    Stage<A, B> stages[kStages];
    Staging staging[kWarps];
  };
  template <class A, class B>
  __device__ __forceinline__ static Memory<A, B>& shared_memory() {
    using Whole = Memory<A, B>;
    SHARED(Whole, memory);
    return memory;
  }

  __device__ static int warp_row() { return warp_of_thread() / kWarpsAcross * kWarpRows; }
  __device__ static int warp_column() { return warp_of_thread() % kWarpsAcross * kWarpColumns; }

  template <class Operand>
  __device__ __forceinline__ static void fill(const Operand& operand, std::int64_t depth,
                                              SlabOf<typename Operand::Place>& slab) {
    using Place = typename Operand::Place;
    if (!Place::takes_part()) return;
    for (int pass = 0; pass < Place::kPasses; ++pass) {
      T* to = slab.at(Place::row(pass), Place::run());
      const Source<T> source = operand(pass, depth);
      if constexpr (V == kChunk && !Computed<Operand>) {
        copy16_async(to, source.at, source.inside);
      } else {
        store<V>(to, load_run(operand, source));
      }
    }
  }

  // Four matrices of a slab from [line, depth] on: two next to each other across the depth (lines)
  // and two along it. `lines_first`: the second one is the next of the lines.
  template <bool along_depth, bool lines_first, class Slab>
  __device__ __forceinline__ static Matrices load_pieces(Slab& slab, int line, int depth) {
    const int low = lane_of_thread() % kPiece, high = lane_of_thread() / kPiece * kChunk;
    const int mixed = lane_of_thread() / kPiece * kChunk + lane_of_thread() % kChunk,
              middle = lane_of_thread() / kChunk % 2;
    if constexpr (along_depth) {
      return lines_first ? load_matrices(slab.at(line + low, depth + high))
                         : load_matrices(slab.at(line + mixed, depth + middle * kChunk));
    } else {
      return lines_first ? load_matrices_transposed(slab.at(depth + mixed, line + middle * kChunk))
                         : load_matrices_transposed(slab.at(depth + low, line + high));
    }
  }

  template <bool a_along, bool b_along, class Stage>
  __device__ __forceinline__ void multiply(Stage& stage, int depth) {
    Matrices right[kColumnPieces / 2];
    UNROLL for (int j = 0; j < kColumnPieces / 2; ++j) {
      right[j] = load_pieces<b_along, false>(stage.b, warp_column() + j * kPiece, depth);
    }
    UNROLL for (int i = 0; i < kRowPieces; ++i) {
      const Matrices left = load_pieces<a_along, true>(stage.a, warp_row() + i * kPiece, depth);
      UNROLL for (int j = 0; j < kColumnPieces; ++j) {
        const unsigned* b = right[j / 2].v + j % 2 * 2;
        multiply_add<T>(left, b[0], b[1], sum_[i][j]);
      }
    }
  }

  // The warp's own rows of f32 in shared memory; groups of four change places, as in the slabs.
  __device__ float* staged(int row, int column) const {
    const int swizzle = row % 4 * 2 + row % 2;
    return &staging_[row][(column / 4 ^ swizzle) * 4 + column % 4];
  }
  // Rows of a piece go to shared memory, bias added; bias may be null.
  __device__ __forceinline__ void stage_piece(int piece, const float* __restrict__ bias,
                                              std::int64_t columns) const {
    UNROLL for (int j = 0; j < kColumnPieces; ++j) {
      const int row = lane_of_thread() / 4, column = j * 8 + lane_of_thread() % 4 * 2;
      const std::int64_t y_column = Tile::first_column() + warp_column() + column;
      const float low = bias != nullptr && y_column < columns ? bias[y_column] : 0.0F;
      const float high = bias != nullptr && y_column + 1 < columns ? bias[y_column + 1] : 0.0F;
      const float* sum = sum_[piece][j];
      store8(staged(row, column), Vec8<float>{{sum[0] + low, sum[1] + high}});
      store8(staged(row + 8, column), Vec8<float>{{sum[2] + low, sum[3] + high}});
    }
  }

  template <class Out>
  struct Target {
    Out* data;
    std::int64_t pitch, columns;
    Write write;
  };
  // Lanes take neighbouring runs of W columns, as many rows at once as that leaves.
  template <int W, class Out, class RowOf>
  __device__ __forceinline__ void write_piece(int piece, const Target<Out>& target,
                                              const RowOf& row_of) const {
    constexpr int kLanes = kWarpColumns / W;
    const int column = lane_of_thread() % kLanes * W;
    const std::int64_t y_column = Tile::first_column() + warp_column() + column;
    for (int r = lane_of_thread() / kLanes; r < kPiece; r += W) {
      const std::int64_t row = row_of(Tile::first_row() + warp_row() + piece * kPiece + r);
      if (row < 0) continue;
      const Run<W> run = load_fours<W>([&](int first) { return staged(r, column + first); });
      write_run(target.data + row * target.pitch, y_column, target.columns, W > 1, run,
                target.write);
    }
  }

  float sum_[kRowPieces][kColumnPieces][4] = {};
  float (*staging_)[kWarpColumns] = nullptr;  // the warp's, set by add
};

}  // namespace lamella::cuda
