// Convolution of any stride, padding and rectangle, forward and both gradients, each as an implicit
// product (kernels/cuda/product): windows are gathered from the image straight into the slabs in
// shared memory.
//
// Common to all: a block makes a tile of the result, 128 x 128 where it is large enough; f32 on the
// f32 units, bf16 and f16 on tensor cores. V fills 16 bytes where channels, pitches and pointers
// allow, else V = 1: neighbouring threads take neighbouring channels. Accumulation in f32;
// deterministic. FLOPs: 2 * N * P * Q * K * R * S * C.
#include "kernels/cuda/conv2d_direct.h"
#include "kernels/cuda/families.h"
#include "kernels/cuda/product/conv_launch.h"

namespace lamella::cuda {
namespace {

// y[n,p,q,k] = sum over r,s,c of x[n, p * stride_h - pad_h + r, q * stride_w - pad_w + s, c] *
// w[k,r,s,c] + bias[k]; zero outside the image. x at x_pitch, y at y_pitch; bias may be null.
// Least bytes: (N * H * W * C + K * R * S * C + N * P * Q * K) * sizeof(T).
template <class T, int V, class Tile>
__global__ __launch_bounds__(kBlock, 2) void conv2d_fwd_kernel(Conv2dShape s,
                                                               const T* __restrict__ x,
                                                               const T* __restrict__ w,
                                                               const float* __restrict__ bias,
                                                               T* __restrict__ y, TileOut out) {
  using Product = TileProduct<T, V, Tile>;
  const std::int64_t depth = s.R * s.S * s.C;
  const Windows<T, typename Product::template Rows<true>> a(s, Tile::first_row(), x);
  const MatrixAlongDepth<T, typename Product::template Columns<true>> b{w, Tile::first_column(),
                                                                        s.K, depth, depth};
  Product product;
  product.add(a, b, Share(depth, out, blockIdx.z));
  product.write(out, blockIdx.z, bias, y, SameRow{s.N * s.P * s.Q});
}

// dx[n,h,w,c] (=|+=) sum over k and the taps (r,s) with p * stride_h = h + pad_h - r, 0 <= p < P,
// and q alike, of dy[n,p,q,k] * w[k,r,s,c]. dy at y_pitch, dx at x_pitch.
// blockIdx.z = phase * shares + share.
// Least bytes: as forward, one more dx when adding.
template <class T, int V, class Tile>
__global__ __launch_bounds__(kBlock,
                             2) void conv2d_bwd_data_kernel(Conv2dShape s, const T* __restrict__ dy,
                                                            const T* __restrict__ w,
                                                            T* __restrict__ dx, TileOut out) {
  using Product = TileProduct<T, V, Tile>;
  const int phases = static_cast<int>(s.stride_h * s.stride_w);
  const int shares = static_cast<int>(gridDim.z) / phases;
  const int share = static_cast<int>(blockIdx.z) % shares;
  const Phase2d phase(s, static_cast<int>(blockIdx.z) / shares);
  if (Tile::first_row() >= phase.rows(s)) return;
  const WindowGradients<T, typename Product::template Rows<true>> a(s, phase, Tile::first_row(),
                                                                    dy);
  const PhaseFilters<T, typename Product::template Columns<false>> b{s, phase, Tile::first_column(),
                                                                     w};
  Product product;
  product.add(a, b, Share(phase.depth(s), out, share));
  product.write(out, share, nullptr, dx, PhasePixel{s, phase});
}

// dw[k,r,s,c] (=|+=) sum over n,p,q of dy[n,p,q,k] * x[n, p * stride_h - pad_h + r,
// q * stride_w - pad_w + s, c], zero outside the image. dy at y_pitch, x at x_pitch, dw dense.
// Least bytes: as forward, one more dw when adding.
template <class T, int V, class Tile>
__global__ __launch_bounds__(kBlock, 2) void conv2d_bwd_weight_kernel(Conv2dShape s,
                                                                      const T* __restrict__ x,
                                                                      const T* __restrict__ dy,
                                                                      T* __restrict__ dw,
                                                                      TileOut out) {
  using Product = TileProduct<T, V, Tile>;
  const std::int64_t depth = s.N * s.P * s.Q;
  const MatrixAcrossDepth<T, typename Product::template Rows<false>> a{dy, Tile::first_row(), s.K,
                                                                       depth, s.y_pitch};
  const TapPixels<T, typename Product::template Columns<false>> b(s, Tile::first_column(), x);
  Product product;
  product.add(a, b, Share(depth, out, blockIdx.z));
  product.write(out, blockIdx.z, nullptr, dw, SameRow{s.K});
}

void conv2d_fwd(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                const float* bias, void* y) {
  check_conv2d("conv2d_fwd", s);
  if (has_direct_fwd(s)) return conv2d_direct_fwd(ctx, s, x, w, bias, y);
  const ProductShape product = forward_product("conv2d_fwd", s, bias);
  dispatch("conv2d_fwd", {s.dtype, {s.C, s.x_pitch}, {x, w}}, [&]<class T, int V>() {
    const auto run = [&]<class Tile>(dim3 grid, const TileOut& out, float*) {
      launch("conv2d_fwd", conv2d_fwd_kernel<T, V, Tile>, grid, kProductThreads, 0, ctx, s,
             static_cast<const T*>(x), static_cast<const T*>(w), bias, static_cast<T*>(y), out);
    };
    run_product<V>(ctx, product, static_cast<T*>(y), run);
  });
}

void conv2d_bwd_data(const KernelContext& ctx, const Conv2dShape& s, const void* dy, const void* w,
                     void* dx, Write write) {
  check_conv2d("conv2d_bwd_data", s);
  const std::int64_t phase_rows = s.N * divide_up(s.H, s.stride_h) * divide_up(s.W, s.stride_w);
  const std::int64_t depth = divide_up(s.R, s.stride_h) * divide_up(s.S, s.stride_w) * s.K;
  const ProductShape product{"conv2d_bwd_data", s.dtype, s.N * s.H * s.W, s.C,
                             s.x_pitch,         depth,   phase_rows,      s.stride_h * s.stride_w,
                             nullptr,           write};
  dispatch("conv2d_bwd_data", {s.dtype, {s.K, s.y_pitch, s.C}, {dy, w}}, [&]<class T, int V>() {
    const auto run = [&]<class Tile>(dim3 grid, const TileOut& out, float*) {
      launch("conv2d_bwd_data", conv2d_bwd_data_kernel<T, V, Tile>, grid, kProductThreads, 0, ctx,
             s, static_cast<const T*>(dy), static_cast<const T*>(w), static_cast<T*>(dx), out);
    };
    run_product<V>(ctx, product, static_cast<T*>(dx), run);
  });
}

void conv2d_bwd_weight(const KernelContext& ctx, const Conv2dShape& s, const void* x,
                       const void* dy, void* dw, Write write) {
  if (s.N == 0) return;
  check_conv2d("conv2d_bwd_weight", s);
  if (has_direct_bwd_weight(s)) return conv2d_direct_bwd_weight(ctx, s, x, dy, dw, write);
  const ProductShape product = weight_product("conv2d_bwd_weight", s, write);
  const Access access{s.dtype, {s.K, s.y_pitch, s.C, s.x_pitch}, {dy, x}};
  dispatch("conv2d_bwd_weight", access, [&]<class T, int V>() {
    const auto run = [&]<class Tile>(dim3 grid, const TileOut& out, float*) {
      launch("conv2d_bwd_weight", conv2d_bwd_weight_kernel<T, V, Tile>, grid, kProductThreads, 0,
             ctx, s, static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dw), out);
    };
    run_product<V>(ctx, product, static_cast<T*>(dw), run);
  });
}

}  // namespace

void add_conv2d(KernelTable& table) {
  table.conv2d_fwd = conv2d_fwd;
  table.conv2d_bwd_data = conv2d_bwd_data;
  table.conv2d_bwd_weight = conv2d_bwd_weight;
}

}  // namespace lamella::cuda
