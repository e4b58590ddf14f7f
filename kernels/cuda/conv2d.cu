// Convolution of any stride, padding and rectangle, forward and both gradients, each as an implicit
// product (kernels/cuda/tile_product.h): windows are gathered from the image straight into the
// slabs in shared memory. The three differ in what the rows, the columns and the depth of the
// product are:
//                     rows              columns         depth
//   forward           pixels of y       filters k       (r,s,c)
//   backward data     pixels of x       channels c      (r,s,k), the taps that meet the pixel
//   backward weight   filters k         (r,s,c)         pixels of y
//
// Common to all: a block makes a 64 x 64 tile of the result, a thread 4 x 4 of it. V fills 16 bytes
// where channels, pitches and pointers allow, else V = 1: neighbouring threads take neighbouring
// channels. Accumulation in f32; deterministic. FLOPs: 2 * N * P * Q * K * R * S * C.
// Assumed, and checked by the launchers: extents and R * S * max(C, K) fit 31 bits; tensors may
// not.
#include <limits>

#include "kernels/cuda/families.h"
#include "kernels/cuda/tile_product.h"

namespace lamella::cuda {
namespace {

constexpr int kOutside = -(1 << 30);  // a coordinate that no tap brings back into the image

// An index into [.., middle, inner], taken apart.
struct Split3 {
  int outer, middle, inner;
  __device__ Split3(std::int64_t index, int middles, int inners) {
    const auto i = static_cast<unsigned>(index), n = static_cast<unsigned>(inners);
    const unsigned rest = i / n;
    inner = static_cast<int>(i % n);
    middle = static_cast<int>(rest % static_cast<unsigned>(middles));
    outer = static_cast<int>(rest / static_cast<unsigned>(middles));
  }
};

struct Pixel {
  std::int64_t n;
  int h, w;
};

__device__ __forceinline__ Pixel pixel_at(std::int64_t index, std::int64_t height,
                                          std::int64_t width) {
  const std::int64_t row = index / width;
  return {row / height, static_cast<int>(row % height), static_cast<int>(index % width)};
}

__device__ __forceinline__ bool is_inside(int h, int w, std::int64_t height, std::int64_t width) {
  return h >= 0 && h < height && w >= 0 && w < width;
}

__device__ __forceinline__ std::int64_t first_row() {
  return std::int64_t{blockIdx.x} * kTile;
}
__device__ __forceinline__ std::int64_t first_column() {
  return std::int64_t{blockIdx.y} * kTile;
}

// Forward, operand a: x under the window of pixel (n,p,q), at depth (r,s,c).
template <class T, int V>
struct Windows {
  static constexpr bool kAlongDepth = true;
  using Mine = Fill<V, true>;
  const Conv2dShape& s;
  const T* image[Mine::kPasses];
  int top[Mine::kPasses], left[Mine::kPasses];

  __device__ Windows(const Conv2dShape& shape, const T* x) : s(shape) {
    for (int pass = 0; pass < Mine::kPasses; ++pass) {
      const std::int64_t row = first_row() + Mine::line(pass);
      const bool valid = row < s.N * s.P * s.Q;
      const Pixel out = pixel_at(valid ? row : 0, s.P, s.Q);
      image[pass] = x + out.n * s.H * s.W * s.x_pitch;
      top[pass] =
          valid ? out.h * static_cast<int>(s.stride_h) - static_cast<int>(s.pad_h) : kOutside;
      left[pass] = out.w * static_cast<int>(s.stride_w) - static_cast<int>(s.pad_w);
    }
  }
  __device__ Run<V> operator()(int pass, std::int64_t depth) const {
    const Split3 tap(depth, static_cast<int>(s.S), static_cast<int>(s.C));
    const int h = top[pass] + tap.outer, w = left[pass] + tap.middle;
    if (depth >= s.R * s.S * s.C || !is_inside(h, w, s.H, s.W)) return {};
    return load<V>(image[pass] + (h * s.W + w) * s.x_pitch + tap.inner);
  }
};

// Backward data is made in stride_h x stride_w phases. Pixels (h,w) of one phase have equal
// remainders by the strides and meet the same taps, r = r0, r0 + stride_h, ...: no products with
// zeros. Tap t meets pixel i of the phase (h = i * stride + offset) in window p = i + shift - t.
struct Phase {
  int offset, pixels, r0, taps, shift;
  __device__ Phase(int phase, std::int64_t extent, std::int64_t filter, std::int64_t stride,
                   std::int64_t pad)
      : offset(phase) {
    const int step = static_cast<int>(stride), padded = phase + static_cast<int>(pad);
    pixels = (static_cast<int>(extent) - phase + step - 1) / step;
    r0 = padded % step;
    taps = r0 < filter ? (static_cast<int>(filter) - r0 + step - 1) / step : 0;
    shift = (padded - r0) / step;
  }
};

// Both dimensions of the phase that this block works on.
struct Phase2d {
  Phase h, w;
  __device__ Phase2d(const Conv2dShape& s, int index)
      : h(index / static_cast<int>(s.stride_w), s.H, s.R, s.stride_h, s.pad_h),
        w(index % static_cast<int>(s.stride_w), s.W, s.S, s.stride_w, s.pad_w) {}
  __device__ std::int64_t rows(const Conv2dShape& s) const { return s.N * h.pixels * w.pixels; }
  __device__ std::int64_t depth(const Conv2dShape& s) const { return h.taps * w.taps * s.K; }
};

// Backward data, operand a: dy of the windows over pixel (n,h,w), at depth (tap h, tap w, k).
template <class T, int V>
struct WindowGradients {
  static constexpr bool kAlongDepth = true;
  using Mine = Fill<V, true>;
  const Conv2dShape& s;
  const Phase2d& phase;
  const T* image[Mine::kPasses];
  int p0[Mine::kPasses], q0[Mine::kPasses];

  __device__ WindowGradients(const Conv2dShape& shape, const Phase2d& phases, const T* dy)
      : s(shape), phase(phases) {
    for (int pass = 0; pass < Mine::kPasses; ++pass) {
      const std::int64_t row = first_row() + Mine::line(pass);
      const bool valid = row < phase.rows(s);
      const Pixel in = pixel_at(valid ? row : 0, phase.h.pixels, phase.w.pixels);
      image[pass] = dy + in.n * s.P * s.Q * s.y_pitch;
      p0[pass] = valid ? in.h + phase.h.shift : kOutside;
      q0[pass] = in.w + phase.w.shift;
    }
  }
  __device__ Run<V> operator()(int pass, std::int64_t depth) const {
    if (depth >= phase.depth(s)) return {};
    const Split3 tap(depth, phase.w.taps, static_cast<int>(s.K));
    const int p = p0[pass] - tap.outer, q = q0[pass] - tap.middle;
    if (!is_inside(p, q, s.P, s.Q)) return {};
    return load<V>(image[pass] + (p * s.Q + q) * s.y_pitch + tap.inner);
  }
};

// Backward data, operand b: w[k,r,s,c] at depth (tap h, tap w, k) and column c.
template <class T, int V>
struct PhaseFilters {
  static constexpr bool kAlongDepth = false;
  const Conv2dShape& s;
  const Phase2d& phase;
  const T* w;
  __device__ Run<V> operator()(int, std::int64_t depth) const {
    const std::int64_t c = first_column() + Fill<V, false>::run();
    if (c >= s.C || depth >= phase.depth(s)) return {};
    const Split3 tap(depth, phase.w.taps, static_cast<int>(s.K));
    const std::int64_t row = phase.h.r0 + tap.outer * s.stride_h;
    const std::int64_t column = phase.w.r0 + tap.middle * s.stride_w;
    return load<V>(w + ((tap.inner * s.R + row) * s.S + column) * s.C + c);
  }
};

// Backward weight, operand b: x under tap (r,s), channel c, of the window of pixel (n,p,q) = depth.
template <class T, int V>
struct TapPixels {
  static constexpr bool kAlongDepth = false;
  const Conv2dShape& s;
  const T* x;
  Split3 tap;
  bool valid;

  __device__ TapPixels(const Conv2dShape& shape, const T* image)
      : s(shape),
        x(image),
        tap(first_column() + Fill<V, false>::run(), static_cast<int>(s.S), static_cast<int>(s.C)),
        valid(tap.outer < s.R) {}
  __device__ Run<V> operator()(int, std::int64_t depth) const {
    if (!valid || depth >= s.N * s.P * s.Q) return {};
    const Pixel out = pixel_at(depth, s.P, s.Q);
    const int h = out.h * static_cast<int>(s.stride_h) - static_cast<int>(s.pad_h) + tap.outer;
    const int w = out.w * static_cast<int>(s.stride_w) - static_cast<int>(s.pad_w) + tap.middle;
    if (!is_inside(h, w, s.H, s.W)) return {};
    return load<V>(x + ((out.n * s.H + h) * s.W + w) * s.x_pitch + tap.inner);
  }
};

// Product rows are rows of the result.
struct SameRow {
  std::int64_t rows;
  __device__ std::int64_t operator()(std::int64_t row) const { return row < rows ? row : -1; }
};

// Product rows are the pixels of a phase.
struct PhasePixel {
  const Conv2dShape& s;
  const Phase2d& phase;
  __device__ std::int64_t operator()(std::int64_t row) const {
    if (row >= phase.rows(s)) return -1;
    const Pixel in = pixel_at(row, phase.h.pixels, phase.w.pixels);
    const std::int64_t h = in.h * s.stride_h + phase.h.offset;
    return (in.n * s.H + h) * s.W + in.w * s.stride_w + phase.w.offset;
  }
};

// y[n,p,q,k] = sum over r,s,c of x[n, p*stride_h - pad_h + r, q*stride_w - pad_w + s, c] *
// w[k,r,s,c]
//              + bias[k]; zero outside the image. x at x_pitch, y at y_pitch; bias may be null.
// Least bytes: (N * H * W * C + K * R * S * C + N * P * Q * K) * sizeof(T).
template <class T, class Out, int V>
__global__ void conv2d_fwd_kernel(Conv2dShape s, const T* __restrict__ x, const T* __restrict__ w,
                                  const float* __restrict__ bias, Out* __restrict__ y, TileOut out,
                                  std::int64_t share_depth) {
  const std::int64_t depth = s.R * s.S * s.C;
  const Windows<T, V> a(s, x);
  const MatrixAlongDepth<T, V> b{w, first_column(), s.K, depth, depth};
  Accumulators sum;
  multiply<V>(a, b, Share(depth, share_depth, blockIdx.z), sum);
  write_tile(sum, out, first_row(), blockIdx.z, bias, y, SameRow{s.N * s.P * s.Q});
}

// dx[n,h,w,c] (=|+=) sum over k and the taps (r,s) with p * stride_h = h + pad_h - r, 0 <= p < P,
// and q alike, of dy[n,p,q,k] * w[k,r,s,c]. dy at y_pitch, dx at x_pitch.
// blockIdx.z = phase * shares + share.
// Least bytes: as forward, one more dx when adding.
template <class T, class Out, int V>
__global__ void conv2d_bwd_data_kernel(Conv2dShape s, const T* __restrict__ dy,
                                       const T* __restrict__ w, Out* __restrict__ dx, TileOut out,
                                       std::int64_t share_depth) {
  const int phases = static_cast<int>(s.stride_h * s.stride_w);
  const int shares = static_cast<int>(gridDim.z) / phases;
  const int share = static_cast<int>(blockIdx.z) % shares;
  const Phase2d phase(s, static_cast<int>(blockIdx.z) / shares);
  if (first_row() >= phase.rows(s)) return;
  const WindowGradients<T, V> a(s, phase, dy);
  const PhaseFilters<T, V> b{s, phase, w};
  Accumulators sum;
  multiply<V>(a, b, Share(phase.depth(s), share_depth, share), sum);
  write_tile(sum, out, first_row(), share, nullptr, dx, PhasePixel{s, phase});
}

// dw[k,r,s,c] (=|+=) sum over n,p,q of dy[n,p,q,k] * x[n, p*stride_h - pad_h + r, q*stride_w -
// pad_w
// + s, c], zero outside the image. dy at y_pitch, x at x_pitch, dw dense.
// Least bytes: as forward, one more dw when adding.
template <class T, class Out, int V>
__global__ void conv2d_bwd_weight_kernel(Conv2dShape s, const T* __restrict__ x,
                                         const T* __restrict__ dy, Out* __restrict__ dw,
                                         TileOut out, std::int64_t share_depth) {
  const std::int64_t depth = s.N * s.P * s.Q;
  const MatrixAcrossDepth<T, V> a{dy, first_row(), s.K, depth, s.y_pitch};
  const TapPixels<T, V> b(s, x);
  Accumulators sum;
  multiply<V>(a, b, Share(depth, share_depth, blockIdx.z), sum);
  write_tile(sum, out, first_row(), blockIdx.z, nullptr, dw, SameRow{s.K});
}

constexpr dim3 kThreads{kBlock, 1, 1};

void require_small(const char* kernel, const char* what, std::int64_t value) {
  if (value <= std::numeric_limits<int>::max() / 2) return;
  throw std::runtime_error(std::string(kernel) + ": " + what + " is " + std::to_string(value) +
                           ", this kernel counts it in 31 bits; use a smaller image or filter");
}

void check(const char* kernel, const Conv2dShape& s) {
  require_small(kernel, "H + 2 pad_h", s.H + 2 * s.pad_h);
  require_small(kernel, "W + 2 pad_w", s.W + 2 * s.pad_w);
  require_small(kernel, "R * S * max(C, K)", s.R * s.S * std::max(s.C, s.K));
}

void conv2d_fwd(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                const float* bias, void* y) {
  check("conv2d_fwd", s);
  const std::int64_t pixels = s.N * s.P * s.Q;
  const Product product{"conv2d_fwd", pixels, s.K,  s.y_pitch, s.R * s.S * s.C,
                        pixels,       1,      bias, Write::Set};
  dispatch("conv2d_fwd", {s.dtype, {s.C, s.x_pitch}, {x, w}}, [&]<class T, int V>() {
    run_product(ctx, product, static_cast<T*>(y),
                [&]<class Out>(dim3 grid, const TileOut& out, std::int64_t share_depth,
                               const float* tile_bias, Out* tiles) {
                  launch("conv2d_fwd", conv2d_fwd_kernel<T, Out, V>, grid, kThreads, 0, ctx, s,
                         static_cast<const T*>(x), static_cast<const T*>(w), tile_bias, tiles, out,
                         share_depth);
                });
  });
}

void conv2d_bwd_data(const KernelContext& ctx, const Conv2dShape& s, const void* dy, const void* w,
                     void* dx, Write write) {
  check("conv2d_bwd_data", s);
  const std::int64_t phase_rows = s.N * divide_up(s.H, s.stride_h) * divide_up(s.W, s.stride_w);
  const std::int64_t depth = divide_up(s.R, s.stride_h) * divide_up(s.S, s.stride_w) * s.K;
  const Product product{"conv2d_bwd_data", s.N * s.H * s.W,         s.C,     s.x_pitch, depth,
                        phase_rows,        s.stride_h * s.stride_w, nullptr, write};
  dispatch("conv2d_bwd_data", {s.dtype, {s.K, s.y_pitch, s.C}, {dy, w}}, [&]<class T, int V>() {
    run_product(ctx, product, static_cast<T*>(dx),
                [&]<class Out>(dim3 grid, const TileOut& out, std::int64_t share_depth,
                               const float*, Out* tiles) {
                  launch("conv2d_bwd_data", conv2d_bwd_data_kernel<T, Out, V>, grid, kThreads, 0,
                         ctx, s, static_cast<const T*>(dy), static_cast<const T*>(w), tiles, out,
                         share_depth);
                });
  });
}

void conv2d_bwd_weight(const KernelContext& ctx, const Conv2dShape& s, const void* x,
                       const void* dy, void* dw, Write write) {
  if (s.N == 0) return;
  check("conv2d_bwd_weight", s);
  const std::int64_t taps = s.R * s.S * s.C;
  const Product product{
      "conv2d_bwd_weight", s.K, taps, taps, s.N * s.P * s.Q, s.K, 1, nullptr, write};
  const Access access{s.dtype, {s.K, s.y_pitch, s.C, s.x_pitch}, {dy, x}};
  dispatch("conv2d_bwd_weight", access, [&]<class T, int V>() {
    run_product(ctx, product, static_cast<T*>(dw),
                [&]<class Out>(dim3 grid, const TileOut& out, std::int64_t share_depth,
                               const float*, Out* tiles) {
                  launch("conv2d_bwd_weight", conv2d_bwd_weight_kernel<T, Out, V>, grid, kThreads,
                         0, ctx, s, static_cast<const T*>(x), static_cast<const T*>(dy), tiles, out,
                         share_depth);
                });
  });
}

}  // namespace

void add_conv2d(KernelTable& table) {
  table.conv2d_fwd = conv2d_fwd;
  table.conv2d_bwd_data = conv2d_bwd_data;
  table.conv2d_bwd_weight = conv2d_bwd_weight;
}

}  // namespace lamella::cuda
