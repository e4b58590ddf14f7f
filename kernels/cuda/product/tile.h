// The parts of a tiled matrix product, y [rows, columns] = sum over a depth of a[row, depth] *
// b[depth, column], that do not depend on what multiplies: tiles, who brings which element into
// shared memory, where results go. fma_product.h and mma_product.h multiply; launch.h launches.
//
// Linear reads a and b from matrices; convolution gathers them from an image on the fly, an
// "implicit" product: the matrix of windows never exists in memory. An operand is a struct that
// says where its elements are:
//   using Place = Fill<...>;            who brings what, and whether memory runs along the depth
//   Source<T> operator()(int pass, std::int64_t depth) const;
// It returns the first of V neighbours in memory that this thread brings in a pass over the slab
// that begins at the depth. An operand whose elements are computed also has
//   void compute(Run<V>& run, int channel) const;
#pragma once

#include "kernels/cuda/common.h"

namespace lamella::cuda {

// Rows and columns of y that a block makes.
template <int rows, int columns>
struct TileSize {
  static constexpr int kRows = rows, kColumns = columns;
  __device__ static std::int64_t first_row() { return std::int64_t{blockIdx.x} * rows; }
  __device__ static std::int64_t first_column() { return std::int64_t{blockIdx.y} * columns; }
};
using LargeTile = TileSize<128, 128>;
using NarrowTile = TileSize<128, 32>;
using SmallTile = TileSize<64, 64>;

// Which elements of a slab of an operand, `depths` deep and `lines` (rows or columns of y) wide, a
// thread brings: V neighbours in each of kPasses. Neighbouring threads take neighbouring runs.
template <int V, int depths, int lines, bool along_depth>
struct Fill {
  static constexpr int kV = V;
  static constexpr bool kAlongDepth = along_depth;
  static constexpr int kRow = along_depth ? depths : lines;  // neighbours in memory
  static constexpr int kRows = along_depth ? lines : depths;
  static constexpr int kLanes = kRow / V;              // threads of a row
  static constexpr int kRowsAtOnce = kBlock / kLanes;  // of a pass
  static constexpr int kPasses = kRows < kRowsAtOnce ? 1 : kRows / kRowsAtOnce;
  __device__ static int run() { return static_cast<int>(threadIdx.x) % kLanes * V; }
  __device__ static int row(int pass) {
    return static_cast<int>(threadIdx.x) / kLanes + pass * kRowsAtOnce;
  }
  __device__ static int depth(int pass) { return along_depth ? run() : row(pass); }
  __device__ static int line(int pass) { return along_depth ? row(pass) : run(); }
  // Long runs make fewer than the block has threads.
  __device__ static bool takes_part() { return kRowsAtOnce <= kRows || row(0) < kRows; }
};

// Where a run begins; outside the operand, which is zero there, anywhere in its memory. For
// operands whose elements are computed, the channel it begins with.
template <class T>
struct Source {
  const T* at;
  bool inside = false;
  int channel = 0;
};

template <class Operand>
concept Computed = requires(const Operand& operand, Run<Operand::Place::kV>& run) {
  operand.compute(run, 0);
};

// The values of a run, zeros outside the operand.
template <class Operand, class T>
__device__ __forceinline__ Run<Operand::Place::kV> load_run(const Operand& operand,
                                                            const Source<T>& source) {
  if (!source.inside) return {};
  Run<Operand::Place::kV> run = load<Operand::Place::kV>(source.at);
  if constexpr (Computed<Operand>) operand.compute(run, source.channel);
  return run;
}

// A matrix read along the depth: element [line, depth] at data[line * pitch + depth].
template <class T, class Fill>
struct MatrixAlongDepth {
  using Place = Fill;
  const T* data;
  std::int64_t first, lines, depths, pitch;
  __device__ Source<T> operator()(int pass, std::int64_t slab) const {
    const std::int64_t line = first + Place::line(pass), depth = slab + Place::depth(pass);
    if (line >= lines || depth >= depths) return {data};
    return {data + line * pitch + depth, true};
  }
};

// A matrix read across the depth: element [depth, line] at data[depth * pitch + line].
template <class T, class Fill>
struct MatrixAcrossDepth {
  using Place = Fill;
  const T* data;
  std::int64_t first, lines, depths, pitch;
  __device__ Source<T> operator()(int pass, std::int64_t slab) const {
    const std::int64_t line = first + Place::line(pass), depth = slab + Place::depth(pass);
    if (line >= lines || depth >= depths) return {data};
    return {data + depth * pitch + line, true};
  }
};

// Where y has too few tiles to fill a GPU the depth is shared out too (blockIdx.z): each share
// writes a partial product, and another kernel adds them in order: deterministic.
struct TileOut {
  std::int64_t rows, columns, pitch;
  std::int64_t share_depth;  // of each share
  float* partials;           // [shares][rows][columns], dense; null when there is one share
  Write write;
  bool vectorised;  // columns, pitch, bias and base of what is written allow 16-byte accesses
};

// The share of the depth [0, total) that belongs to share `index`; may be empty.
struct Share {
  std::int64_t begin, end;
  __device__ Share(std::int64_t total, const TileOut& out, std::int64_t index) {
    begin = index * out.share_depth;
    end = begin + out.share_depth < total ? begin + out.share_depth : total;
  }
};

// row[column..) (=|+=) run, up to the last column. `aligned`: by 16-byte accesses.
template <int V, class T>
__device__ __forceinline__ void write_run(T* __restrict__ row, std::int64_t column,
                                          std::int64_t columns, bool aligned, const Run<V>& run,
                                          Write write) {
  if (aligned) {
    if (column < columns) store<V>(row + column, run, write);
    return;
  }
  for (int i = 0; i < V; ++i) {
    if (column + i < columns) store<1>(row + column + i, Run<1>{{run[i]}}, write);
  }
}

// Rows of the product are rows of the result; -1 outside it.
struct SameRow {
  std::int64_t rows;
  __device__ std::int64_t operator()(std::int64_t row) const { return row < rows ? row : -1; }
};

}  // namespace lamella::cuda
