// The linear layer, y [N,K] = x [N,C] w[K,C]^T + bias, and its two gradients: three products of
// matrices that differ only in which dimension is summed, and so in how memory runs.
//
// Common to all: a block makes a tile of the result (kernels/cuda/product), 128 x 128 where it is
// large enough; f32 on the f32 units, bf16 and f16 on tensor cores. V fills 16 bytes where extents,
// pitches and pointers allow, else V = 1. Accumulation in f32; deterministic. FLOPs: 2 * N * K * C.
#include "kernels/cuda/families.h"
#include "kernels/cuda/product/launch.h"

namespace lamella::cuda {
namespace {

// y[n,k] = sum over c of x[n,c] * w[k,c] + bias[k]. Both operands run along the depth C.
// x at x_pitch, y at y_pitch; bias may be null.
// Least bytes: (N * C + K * C + N * K) * sizeof(T).
template <class T, int V, class Tile>
__global__ __launch_bounds__(kBlock, 2) void linear_fwd_kernel(LinearShape s,
                                                               const T* __restrict__ x,
                                                               const T* __restrict__ w,
                                                               const float* __restrict__ bias,
                                                               T* __restrict__ y, TileOut out) {
  using Product = TileProduct<T, V, Tile>;
  using Rows = typename Product::template Rows<true>;
  using Columns = typename Product::template Columns<true>;
  const MatrixAlongDepth<T, Rows> a{x, Tile::first_row(), s.N, s.C, s.x_pitch};
  const MatrixAlongDepth<T, Columns> b{w, Tile::first_column(), s.K, s.C, s.C};
  Product product;
  product.add(a, b, Share(s.C, out, blockIdx.z));
  product.write(out, blockIdx.z, bias, y, SameRow{s.N});
}

// dx[n,c] (=|+=) sum over k of dy[n,k] * w[k,c]. dy runs along the depth K, w across it.
// dy at y_pitch, dx at x_pitch.
// Least bytes: (N * K + K * C + N * C) * sizeof(T), one more dx when adding.
template <class T, int V, class Tile>
__global__ __launch_bounds__(kBlock,
                             2) void linear_bwd_data_kernel(LinearShape s, const T* __restrict__ dy,
                                                            const T* __restrict__ w,
                                                            T* __restrict__ dx, TileOut out) {
  using Product = TileProduct<T, V, Tile>;
  using Rows = typename Product::template Rows<true>;
  using Columns = typename Product::template Columns<false>;
  const MatrixAlongDepth<T, Rows> a{dy, Tile::first_row(), s.N, s.K, s.y_pitch};
  const MatrixAcrossDepth<T, Columns> b{w, Tile::first_column(), s.C, s.K, s.C};
  Product product;
  product.add(a, b, Share(s.K, out, blockIdx.z));
  product.write(out, blockIdx.z, nullptr, dx, SameRow{s.N});
}

// dw[k,c] (=|+=) sum over n of dy[n,k] * x[n,c]. Both operands run across the depth N.
// dy at y_pitch, x at x_pitch, dw dense.
// Least bytes: (N * K + N * C + K * C) * sizeof(T), one more dw when adding.
template <class T, int V, class Tile>
__global__ __launch_bounds__(kBlock, 2) void linear_bwd_weight_kernel(LinearShape s,
                                                                      const T* __restrict__ x,
                                                                      const T* __restrict__ dy,
                                                                      T* __restrict__ dw,
                                                                      TileOut out) {
  using Product = TileProduct<T, V, Tile>;
  using Rows = typename Product::template Rows<false>;
  using Columns = typename Product::template Columns<false>;
  const MatrixAcrossDepth<T, Rows> a{dy, Tile::first_row(), s.K, s.N, s.y_pitch};
  const MatrixAcrossDepth<T, Columns> b{x, Tile::first_column(), s.C, s.N, s.x_pitch};
  Product product;
  product.add(a, b, Share(s.N, out, blockIdx.z));
  product.write(out, blockIdx.z, nullptr, dw, SameRow{s.K});
}

void linear_fwd(const KernelContext& ctx, const LinearShape& s, const void* x, const void* w,
                const float* bias, void* y) {
  const ProductShape product{"linear_fwd", s.dtype, s.N, s.K,  s.y_pitch,
                             s.C,          s.N,     1,   bias, Write::Set};
  dispatch("linear_fwd", {s.dtype, {s.C, s.x_pitch}, {x, w}}, [&]<class T, int V>() {
    const auto run = [&]<class Tile>(dim3 grid, const TileOut& out, float*) {
      launch("linear_fwd", linear_fwd_kernel<T, V, Tile>, grid, kProductThreads, 0, ctx, s,
             static_cast<const T*>(x), static_cast<const T*>(w), bias, static_cast<T*>(y), out);
    };
    run_product<V>(ctx, product, static_cast<T*>(y), run);
  });
}

void linear_bwd_data(const KernelContext& ctx, const LinearShape& s, const void* dy, const void* w,
                     void* dx, Write write) {
  const ProductShape product{"linear_bwd_data", s.dtype, s.N, s.C, s.x_pitch, s.K, s.N, 1,
                             nullptr,           write};
  dispatch("linear_bwd_data", {s.dtype, {s.K, s.y_pitch, s.C}, {dy, w}}, [&]<class T, int V>() {
    const auto run = [&]<class Tile>(dim3 grid, const TileOut& out, float*) {
      launch("linear_bwd_data", linear_bwd_data_kernel<T, V, Tile>, grid, kProductThreads, 0, ctx,
             s, static_cast<const T*>(dy), static_cast<const T*>(w), static_cast<T*>(dx), out);
    };
    run_product<V>(ctx, product, static_cast<T*>(dx), run);
  });
}

void linear_bwd_weight(const KernelContext& ctx, const LinearShape& s, const void* x,
                       const void* dy, void* dw, Write write) {
  if (s.N == 0) return;
  const Access access{s.dtype, {s.K, s.y_pitch, s.C, s.x_pitch}, {dy, x}};
  const ProductShape product{
      "linear_bwd_weight", s.dtype, s.K, s.C, s.C, s.N, s.K, 1, nullptr, write};
  dispatch("linear_bwd_weight", access, [&]<class T, int V>() {
    const auto run = [&]<class Tile>(dim3 grid, const TileOut& out, float*) {
      launch("linear_bwd_weight", linear_bwd_weight_kernel<T, V, Tile>, grid, kProductThreads, 0,
             ctx, s, static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dw), out);
    };
    run_product<V>(ctx, product, static_cast<T*>(dw), run);
  });
}

}  // namespace

void add_linear(KernelTable& table) {
  table.linear_fwd = linear_fwd;
  table.linear_bwd_data = linear_bwd_data;
  table.linear_bwd_weight = linear_bwd_weight;
}

}  // namespace lamella::cuda
