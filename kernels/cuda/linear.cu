// The linear layer, y [N,K] = x [N,C] w[K,C]^T + bias, and its two gradients: three products of
// matrices that differ only in which dimension is summed, and so in how memory runs.
//
// Common to all: a block makes a 64 x 64 tile of the result through shared memory, a thread 4 x 4
// of it (kernels/cuda/tile_product.h). V fills 16 bytes where extents, pitches and pointers allow,
// else V = 1. Accumulation in f32; deterministic. FLOPs: 2 * N * K * C.
#include "kernels/cuda/families.h"
#include "kernels/cuda/tile_product.h"

namespace lamella::cuda {
namespace {

__device__ __forceinline__ std::int64_t first_row() {
  return std::int64_t{blockIdx.x} * kTile;
}
__device__ __forceinline__ std::int64_t first_column() {
  return std::int64_t{blockIdx.y} * kTile;
}

// Product rows are rows of the result.
struct SameRow {
  std::int64_t rows;
  __device__ std::int64_t operator()(std::int64_t row) const { return row < rows ? row : -1; }
};

// y[n,k] = sum over c of x[n,c] * w[k,c] + bias[k]. Both operands run along the depth C.
// x at x_pitch, y at y_pitch; bias may be null.
// Least bytes: (N * C + K * C + N * K) * sizeof(T).
template <class T, class Out, int V>
__global__ void linear_fwd_kernel(LinearShape s, const T* __restrict__ x, const T* __restrict__ w,
                                  const float* __restrict__ bias, Out* __restrict__ y, TileOut out,
                                  std::int64_t share_depth) {
  const MatrixAlongDepth<T, V> a{x, first_row(), s.N, s.C, s.x_pitch};
  const MatrixAlongDepth<T, V> b{w, first_column(), s.K, s.C, s.C};
  Accumulators sum;
  multiply<V>(a, b, Share(s.C, share_depth, blockIdx.z), sum);
  write_tile(sum, out, first_row(), blockIdx.z, bias, y, SameRow{s.N});
}

// dx[n,c] (=|+=) sum over k of dy[n,k] * w[k,c]. dy runs along the depth K, w across it.
// dy at y_pitch, dx at x_pitch.
// Least bytes: (N * K + K * C + N * C) * sizeof(T), one more dx when adding.
template <class T, class Out, int V>
__global__ void linear_bwd_data_kernel(LinearShape s, const T* __restrict__ dy,
                                       const T* __restrict__ w, Out* __restrict__ dx, TileOut out,
                                       std::int64_t share_depth) {
  const MatrixAlongDepth<T, V> a{dy, first_row(), s.N, s.K, s.y_pitch};
  const MatrixAcrossDepth<T, V> b{w, first_column(), s.C, s.K, s.C};
  Accumulators sum;
  multiply<V>(a, b, Share(s.K, share_depth, blockIdx.z), sum);
  write_tile(sum, out, first_row(), blockIdx.z, nullptr, dx, SameRow{s.N});
}

// dw[k,c] (=|+=) sum over n of dy[n,k] * x[n,c]. Both operands run across the depth N.
// dy at y_pitch, x at x_pitch, dw dense.
// Least bytes: (N * K + N * C + K * C) * sizeof(T), one more dw when adding.
template <class T, class Out, int V>
__global__ void linear_bwd_weight_kernel(LinearShape s, const T* __restrict__ x,
                                         const T* __restrict__ dy, Out* __restrict__ dw,
                                         TileOut out, std::int64_t share_depth) {
  const MatrixAcrossDepth<T, V> a{dy, first_row(), s.K, s.N, s.y_pitch};
  const MatrixAcrossDepth<T, V> b{x, first_column(), s.C, s.N, s.x_pitch};
  Accumulators sum;
  multiply<V>(a, b, Share(s.N, share_depth, blockIdx.z), sum);
  write_tile(sum, out, first_row(), blockIdx.z, nullptr, dw, SameRow{s.K});
}

constexpr dim3 kThreads{kBlock, 1, 1};

void linear_fwd(const KernelContext& ctx, const LinearShape& s, const void* x, const void* w,
                const float* bias, void* y) {
  dispatch("linear_fwd", {s.dtype, {s.C, s.x_pitch}, {x, w}}, [&]<class T, int V>() {
    const Product product{"linear_fwd", s.N, s.K, s.y_pitch, s.C, s.N, 1, bias, Write::Set};
    run_product(ctx, product, static_cast<T*>(y),
                [&]<class Out>(dim3 grid, const TileOut& out, std::int64_t share_depth,
                               const float* tile_bias, Out* tiles) {
                  launch("linear_fwd", linear_fwd_kernel<T, Out, V>, grid, kThreads, 0, ctx, s,
                         static_cast<const T*>(x), static_cast<const T*>(w), tile_bias, tiles, out,
                         share_depth);
                });
  });
}

void linear_bwd_data(const KernelContext& ctx, const LinearShape& s, const void* dy, const void* w,
                     void* dx, Write write) {
  dispatch("linear_bwd_data", {s.dtype, {s.K, s.y_pitch, s.C}, {dy, w}}, [&]<class T, int V>() {
    const Product product{"linear_bwd_data", s.N, s.C, s.x_pitch, s.K, s.N, 1, nullptr, write};
    run_product(ctx, product, static_cast<T*>(dx),
                [&]<class Out>(dim3 grid, const TileOut& out, std::int64_t share_depth,
                               const float*, Out* tiles) {
                  launch("linear_bwd_data", linear_bwd_data_kernel<T, Out, V>, grid, kThreads, 0,
                         ctx, s, static_cast<const T*>(dy), static_cast<const T*>(w), tiles, out,
                         share_depth);
                });
  });
}

void linear_bwd_weight(const KernelContext& ctx, const LinearShape& s, const void* x,
                       const void* dy, void* dw, Write write) {
  if (s.N == 0) return;
  const Access access{s.dtype, {s.K, s.y_pitch, s.C, s.x_pitch}, {dy, x}};
  dispatch("linear_bwd_weight", access, [&]<class T, int V>() {
    const Product product{"linear_bwd_weight", s.K, s.C, s.C, s.N, s.K, 1, nullptr, write};
    run_product(ctx, product, static_cast<T*>(dw),
                [&]<class Out>(dim3 grid, const TileOut& out, std::int64_t share_depth,
                               const float*, Out* tiles) {
                  launch("linear_bwd_weight", linear_bwd_weight_kernel<T, Out, V>, grid, kThreads,
                         0, ctx, s, static_cast<const T*>(x), static_cast<const T*>(dy), tiles, out,
                         share_depth);
                });
  });
}

}  // namespace

void add_linear(KernelTable& table) {
  table.linear_fwd = linear_fwd;
  table.linear_bwd_data = linear_bwd_data;
  table.linear_bwd_weight = linear_bwd_weight;
}

}  // namespace lamella::cuda
