// Convolution of an image that goes through batch norm and ReLU on its way into the product: the
// prologue of a dense layer's 1 x 1 convolution, for any filter. The normalised image exists in
// shared memory only, a slab at a time; padding is zero after the normalisation.
//
// As conv2d.cu otherwise. Slabs of x are computed in registers, so they do not come by asynchronous
// copies, and a forward block may need more registers than two on a multiprocessor have.
// Accumulation in f32; deterministic. FLOPs: 2 * N * P * Q * K * R * S * C, and 4 for each element
// of x as often as it is read.
#include "kernels/cuda/families.h"
#include "kernels/cuda/product/conv_launch.h"

namespace lamella::cuda {
namespace {

// scale[c] = gamma / sqrt(var + eps) and, C later, beta - mean * scale[c]. One thread, one channel.
// Least bytes: 6 * C * 4.
__global__ void fold_norm_kernel(std::int64_t C, float eps, const float* __restrict__ mean,
                                 const float* __restrict__ var, const float* __restrict__ gamma,
                                 const float* __restrict__ beta, float* __restrict__ scale) {
  const Loop channels = element_loop<1>();
  for (std::int64_t c = channels.begin; c < C; c += channels.step) {
    const float factor = gamma[c] * rsqrtf(var[c] + eps);
    scale[c] = factor;
    scale[C + c] = beta[c] - mean[c] * factor;
  }
}

// y[n,p,q,k] = sum over r,s,c of n(x)[n, p * stride_h - pad_h + r, q * stride_w - pad_w + s, c] *
// w[k,r,s,c], zero outside the image; n(x) = relu_out(relu_in(x) * scale[c] + scale[C + c]).
// x at x_pitch, y at y_pitch.
// Least bytes: (N * H * W * C + K * R * S * C + N * P * Q * K) * sizeof(T) + 2 * C * 4.
template <class T, int V, class Tile>
__global__ __launch_bounds__(kBlock) void norm_conv2d_fwd_kernel(NormConv2dShape s,
                                                                 const T* __restrict__ x,
                                                                 const float* __restrict__ scale,
                                                                 const T* __restrict__ w,
                                                                 T* __restrict__ y, TileOut out) {
  using Product = TileProduct<T, V, Tile>;
  using Image = Windows<T, typename Product::template Rows<true>>;
  const Conv2dShape& conv = s.conv;
  const std::int64_t depth = conv.R * conv.S * conv.C;
  const Normalised<Image> a{Image(conv, Tile::first_row(), x), scale, conv.C, s.relu_in,
                            s.relu_out};
  const MatrixAlongDepth<T, typename Product::template Columns<true>> b{w, Tile::first_column(),
                                                                        conv.K, depth, depth};
  Product product;
  product.add(a, b, Share(depth, out, blockIdx.z));
  product.write(out, blockIdx.z, nullptr, y, SameRow{conv.N * conv.P * conv.Q});
}

// dw[k,r,s,c] (=|+=) sum over n,p,q of dy[n,p,q,k] * n(x)[n, p * stride_h - pad_h + r,
// q * stride_w - pad_w + s, c], zero outside the image; n(x) as above. dy at y_pitch, x at x_pitch,
// dw dense.
// Least bytes: as forward, one more dw when adding.
template <class T, int V, class Tile>
__global__ __launch_bounds__(kBlock, 2) void norm_conv2d_bwd_weight_kernel(
    NormConv2dShape s, const T* __restrict__ x, const float* __restrict__ scale,
    const T* __restrict__ dy, T* __restrict__ dw, TileOut out) {
  using Product = TileProduct<T, V, Tile>;
  using Image = TapPixels<T, typename Product::template Columns<false>>;
  const Conv2dShape& conv = s.conv;
  const std::int64_t depth = conv.N * conv.P * conv.Q;
  const MatrixAcrossDepth<T, typename Product::template Rows<false>> a{dy, Tile::first_row(),
                                                                       conv.K, depth, conv.y_pitch};
  const Normalised<Image> b{Image(conv, Tile::first_column(), x), scale, conv.C, s.relu_in,
                            s.relu_out};
  Product product;
  product.add(a, b, Share(depth, out, blockIdx.z));
  product.write(out, blockIdx.z, nullptr, dw, SameRow{conv.K});
}

struct NormParameters {
  const float *mean, *var, *gamma, *beta;
};

void fold_norm(const char* name, const KernelContext& ctx, const NormConv2dShape& s,
               const NormParameters& norm, float* scale) {
  const Plan plan = plan_flat<1>(s.conv.C);
  launch(name, fold_norm_kernel, plan.grid, plan.block, 0, ctx, s.conv.C, s.eps, norm.mean,
         norm.var, norm.gamma, norm.beta, scale);
}

void norm_conv2d_fwd(const KernelContext& ctx, const NormConv2dShape& s, const void* x,
                     const float* mean, const float* var, const float* gamma, const float* beta,
                     const void* w, void* y) {
  const Conv2dShape& conv = s.conv;
  check_conv2d("norm_conv2d_fwd", conv);
  ProductShape product = forward_product("norm_conv2d_fwd", conv, nullptr);
  product.reserved = 2 * conv.C;
  const Access access{conv.dtype, {conv.C, conv.x_pitch}, {x, w}};
  dispatch("norm_conv2d_fwd", access, [&]<class T, int V>() {
    const auto run = [&]<class Tile>(dim3 grid, const TileOut& out, float* scale) {
      fold_norm("norm_conv2d_fwd", ctx, s, {mean, var, gamma, beta}, scale);
      launch("norm_conv2d_fwd", norm_conv2d_fwd_kernel<T, V, Tile>, grid, kProductThreads, 0, ctx,
             s, static_cast<const T*>(x), scale, static_cast<const T*>(w), static_cast<T*>(y), out);
    };
    run_product<V>(ctx, product, static_cast<T*>(y), run);
  });
}

void norm_conv2d_bwd_weight(const KernelContext& ctx, const NormConv2dShape& s, const void* x,
                            const float* mean, const float* var, const float* gamma,
                            const float* beta, const void* dy, void* dw, Write write) {
  const Conv2dShape& conv = s.conv;
  if (conv.N == 0) return;
  check_conv2d("norm_conv2d_bwd_weight", conv);
  ProductShape product = weight_product("norm_conv2d_bwd_weight", conv, write);
  product.reserved = 2 * conv.C;
  const Access access{conv.dtype, {conv.K, conv.y_pitch, conv.C, conv.x_pitch}, {dy, x}};
  dispatch("norm_conv2d_bwd_weight", access, [&]<class T, int V>() {
    const auto run = [&]<class Tile>(dim3 grid, const TileOut& out, float* scale) {
      fold_norm("norm_conv2d_bwd_weight", ctx, s, {mean, var, gamma, beta}, scale);
      launch("norm_conv2d_bwd_weight", norm_conv2d_bwd_weight_kernel<T, V, Tile>, grid,
             kProductThreads, 0, ctx, s, static_cast<const T*>(x), scale, static_cast<const T*>(dy),
             static_cast<T*>(dw), out);
    };
    run_product<V>(ctx, product, static_cast<T*>(dw), run);
  });
}

}  // namespace

void add_norm_conv2d(KernelTable& table) {
  table.norm_conv2d_fwd = norm_conv2d_fwd;
  table.norm_conv2d_bwd_weight = norm_conv2d_bwd_weight;
}

}  // namespace lamella::cuda
