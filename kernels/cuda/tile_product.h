// The tiled matrix product under linear and convolution: y [rows, columns] = sum over a depth of
// a[row, depth] * b[depth, column]. Linear reads a and b from matrices; convolution gathers them
// from an image on the fly, an "implicit" product: the matrix of windows never exists in memory.
//
// A block makes a tile of kTile x kTile of y. It walks the depth in steps of kDepth: its threads
// bring one slab of a and one of b into shared memory, then each thread multiplies its 4 rows by
// its 4 columns in registers. Where y has too few tiles to fill a GPU the depth is shared out too
// (blockIdx.z): each share writes a partial product and a second kernel adds them in order, so the
// result is deterministic. All accumulation is f32.
//
// An operand is a struct that says where its elements are:
//   static constexpr bool kAlongDepth;  // memory is contiguous along the depth, else across it
//   Run<V> operator()(int pass, std::int64_t depth) const;
// It returns V neighbours (along or across the depth) for this thread, zeros outside the operand.
// Its constructor is told the tile's first row or column and knows the thread's place from Fill.
#pragma once

#include "kernels/cuda/common.h"

namespace lamella::cuda {

constexpr int kTile = 64;      // rows and columns of y in a block
constexpr int kDepth = 16;     // depth in shared memory at a time
constexpr int kPerThread = 4;  // rows and columns of y in a thread; 16 x 16 threads
constexpr int kSide = kTile / kPerThread;
static_assert(kSide * kSide == kBlock);

// A part of an operand in shared memory, a row for each depth. Groups of four elements change
// places within a row, by exclusive or with a number of the row, so that threads that write down a
// column, four rows from one another, meet different banks; a row still is read 16 bytes at a time.
struct Slab {
  alignas(16) float rows[kDepth][kTile];
  __device__ float* at(int depth, int element) {
    return &rows[depth][element ^ (depth / 4 % 4 * 8 + depth % 2 * 4)];
  }
};

// Which elements of a kDepth x kTile slab a thread brings: V neighbours in each of kPasses.
// Neighbouring threads take neighbouring runs in memory.
template <int V, bool along_depth>
struct Fill {
  static constexpr int kLanes = (along_depth ? kDepth : kTile) / V;  // threads of one line
  static constexpr int kLines = kBlock / kLanes;                     // lines of one pass
  static constexpr int kWanted = along_depth ? kTile : kDepth;
  static constexpr int kPasses = kWanted < kLines ? 1 : kWanted / kLines;
  __device__ static int run() { return static_cast<int>(threadIdx.x) % kLanes * V; }
  __device__ static int line(int pass) {
    return static_cast<int>(threadIdx.x) / kLanes + pass * kLines;
  }
  // With long runs a slab has fewer runs than the block has threads.
  __device__ static bool takes_part() { return kLines <= kWanted || line(0) < kWanted; }
};

template <int V, class Operand>
__device__ __forceinline__ void fill_slab(const Operand& operand, std::int64_t depth, Slab& slab) {
  using Mine = Fill<V, Operand::kAlongDepth>;
  if (!Mine::takes_part()) return;
  for (int pass = 0; pass < Mine::kPasses; ++pass) {
    if constexpr (Operand::kAlongDepth) {
      const Run<V> run = operand(pass, depth + Mine::run());
      for (int i = 0; i < V; ++i) *slab.at(Mine::run() + i, Mine::line(pass)) = run[i];
    } else {
      const Run<V> run = operand(pass, depth + Mine::line(pass));
      // Of eight threads with two groups each, four begin with the second: eight sets of banks.
      constexpr int kGroup = V < 4 ? V : 4;
      const bool backwards = Mine::run() / 32 % 2 != 0;
      for (int first = 0; first < V; first += kGroup) {
        const int last = V - kGroup - first;
        Run<kGroup> group;
        for (int i = 0; i < kGroup; ++i) group[i] = backwards ? run[last + i] : run[first + i];
        const int element = Mine::run() + (backwards ? last : first);
        store<kGroup>(slab.at(Mine::line(pass), element), group);
      }
    }
  }
}

// The share of the depth [0, total) that belongs to share `index`; may be empty.
struct Share {
  std::int64_t begin, end;
  __device__ Share(std::int64_t total, std::int64_t share, std::int64_t index) {
    begin = index * share;
    end = begin + share < total ? begin + share : total;
  }
};

struct Accumulators {
  float v[kPerThread][kPerThread] = {};
};

// Adds the product of a and b over a share of the depth. All threads of the block call it.
template <int V, class A, class B>
__device__ __forceinline__ void multiply(const A& a, const B& b, const Share& depth,
                                         Accumulators& sum) {
  SHARED(Slab, slabs, [2]);
  const int row = static_cast<int>(threadIdx.x) / kSide * kPerThread;
  const int column = static_cast<int>(threadIdx.x) % kSide * kPerThread;
  for (std::int64_t d = depth.begin; d < depth.end; d += kDepth) {
    fill_slab<V>(a, d, slabs[0]);
    fill_slab<V>(b, d, slabs[1]);
    __syncthreads();
    for (int k = 0; k < kDepth; ++k) {
      const Run<kPerThread> left = load<kPerThread>(slabs[0].at(k, row));
      const Run<kPerThread> right = load<kPerThread>(slabs[1].at(k, column));
      for (int i = 0; i < kPerThread; ++i) {
        for (int j = 0; j < kPerThread; ++j) sum.v[i][j] += left[i] * right[j];
      }
    }
    __syncthreads();
  }
}

// How a tile is written. Partial products go to [shares][rows][columns], dense.
struct TileOut {
  std::int64_t rows, columns, pitch;
  std::int64_t share_stride;  // elements from one share's partial to the next; 0 when there is one
  Write write;
  bool vectorised;  // columns, pitch and base allow 16-byte accesses
};

// y[row_of(i), j] (=|+=) the sums of this thread (+ bias[j] where given). row_of maps a row of
// the product to a row of y, or to -1 outside it.
template <class T, class RowOf>
__device__ __forceinline__ void write_tile(const Accumulators& sum, const TileOut& out,
                                           std::int64_t first_row, std::int64_t share,
                                           const float* __restrict__ bias, T* __restrict__ y,
                                           const RowOf& row_of) {
  const std::int64_t column = std::int64_t{blockIdx.y} * kTile + threadIdx.x % kSide * kPerThread;
  for (int i = 0; i < kPerThread; ++i) {
    const std::int64_t row = row_of(first_row + threadIdx.x / kSide * kPerThread + i);
    if (row < 0) continue;
    T* mine = y + share * out.share_stride + row * out.pitch + column;
    Run<kPerThread> run;
    for (int j = 0; j < kPerThread; ++j) {
      const bool biased = bias != nullptr && column + j < out.columns;
      run[j] = sum.v[i][j] + (biased ? bias[column + j] : 0.0F);
    }
    if (out.vectorised && column < out.columns) {
      store<kPerThread>(mine, run, out.write);
    } else {
      for (int j = 0; j < kPerThread; ++j) {
        if (column + j < out.columns) store<1>(mine + j, Run<1>{{run[j]}}, out.write);
      }
    }
  }
}

// A matrix read along the depth: element [line, depth] at data[line * pitch + depth].
template <class T, int V>
struct MatrixAlongDepth {
  static constexpr bool kAlongDepth = true;
  const T* data;
  std::int64_t first, lines, depths, pitch;
  __device__ Run<V> operator()(int pass, std::int64_t depth) const {
    const std::int64_t line = first + Fill<V, true>::line(pass);
    if (line >= lines || depth >= depths) return {};
    return load<V>(data + line * pitch + depth);
  }
};

// A matrix read across the depth: element [depth, column] at data[depth * pitch + column].
template <class T, int V>
struct MatrixAcrossDepth {
  static constexpr bool kAlongDepth = false;
  const T* data;
  std::int64_t first, columns, depths, pitch;
  __device__ Run<V> operator()(int, std::int64_t depth) const {
    const std::int64_t column = first + Fill<V, false>::run();
    if (column >= columns || depth >= depths) return {};
    return load<V>(data + depth * pitch + column);
  }
};

// y (=|+=) sum of the shares' partials (+ bias), in order.
// Threads: x take columns, y take rows. Deterministic.
// Least bytes: (shares + 1) * rows * columns * 4.  FLOPs: shares * rows * columns.
template <class T>
__global__ void merge_shares_kernel(TileOut out, int shares, const float* __restrict__ partials,
                                    const float* __restrict__ bias, T* __restrict__ y) {
  const Loop columns = channel_loop<1>(), rows = pixel_loop();
  const std::int64_t count = out.rows * out.columns;
  for (std::int64_t column = columns.begin; column < out.columns; column += columns.step) {
    for (std::int64_t row = rows.begin; row < out.rows; row += rows.step) {
      float sum = bias != nullptr ? bias[column] : 0.0F;
      for (int share = 0; share < shares; ++share) {
        sum += partials[share * count + row * out.columns + column];
      }
      store<1>(y + row * out.pitch + column, Run<1>{{sum}}, out.write);
    }
  }
}

// --- host --------------------------------------------------------------------------------------
// How a product is shared out: `shares` shares of `depth` (a multiple of kDepth) each.
struct Shares {
  std::int64_t shares, depth;
};

// Enough blocks for two on each multiprocessor of a large GPU, but at least 256 of depth each.
inline Shares plan_shares(std::int64_t tiles, std::int64_t depth) {
  constexpr std::int64_t kWantedBlocks = 264, kLeastDepth = 256;
  const std::int64_t most = std::max<std::int64_t>(1, depth / kLeastDepth);
  const std::int64_t wanted = divide_up(kWantedBlocks, std::max<std::int64_t>(tiles, 1));
  const std::int64_t share = divide_up(divide_up(depth, std::min(wanted, most)), kDepth) * kDepth;
  return {share == 0 ? 1 : divide_up(depth, share), std::max<std::int64_t>(share, kDepth)};
}

// A product as its launcher sees it: y [out_rows, columns] in tiles of `tile_rows` rows; `phases`
// products of the same form side by side (1, but for backward data with strides).
struct Product {
  const char* name;
  std::int64_t out_rows, columns, pitch, depth;
  std::int64_t tile_rows, phases;
  const float* bias;
  Write write;
};

// Calls run(grid, out, share_depth, bias, y) once, with y where the tiles go: the result itself, or
// partials in scratch, which it then merges.
template <class T, class Run>
void run_product(const KernelContext& ctx, const Product& p, T* y, const Run& run) {
  if (p.out_rows == 0 || p.columns == 0) return;
  const std::int64_t row_tiles = divide_up(p.tile_rows, kTile);
  const std::int64_t column_tiles = divide_up(p.columns, kTile);
  const Shares shares = plan_shares(row_tiles * column_tiles * p.phases, p.depth);
  const dim3 grid{static_cast<unsigned>(row_tiles), static_cast<unsigned>(column_tiles),
                  static_cast<unsigned>(shares.shares * p.phases)};
  TileOut out{p.out_rows, p.columns, p.pitch, 0, p.write, false};
  if (shares.shares == 1) {
    out.vectorised = Access{DType::F32, {p.columns, p.pitch}, {y}}.vectorised();
    run(grid, out, shares.depth, p.bias, y);
    return;
  }
  const std::int64_t count = p.out_rows * p.columns;
  float* partials = ctx.scratch<float>(shares.shares * count);
  const TileOut partial{p.out_rows, p.columns, p.columns, count, Write::Set, p.columns % 4 == 0};
  run(grid, partial, shares.depth, nullptr, partials);
  const Plan plan = plan_matrix<1>(p.out_rows, p.columns);
  launch(p.name, merge_shares_kernel<T>, plan.grid, plan.block, 0, ctx, out,
         static_cast<int>(shares.shares), partials, p.bias, y);
}

}  // namespace lamella::cuda
