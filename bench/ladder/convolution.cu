// The ladder of conv2d_fwd: y[n,p,q,k] = sum over r, s, c of x[n, p * stride_h - pad_h + r,
// q * stride_w - pad_w + s, c] * w[k,r,s,c] + bias[k], zero outside the image. All accumulate in
// f32 and are deterministic. bias may be null.
// Least bytes: (N * H * W * C + K * R * S * C + N * P * Q * K) * sizeof(T).
// FLOPs: 2 * N * P * Q * K * R * S * C.
#include "bench/ladder/rung.h"
#include "bench/ladder/tiles.h"

namespace lamella::ladder {
namespace {

using cuda::divide_up;

// The address of x under tap (r, column) of the window of output pixel `pixel`; null outside.
template <class T>
__device__ __forceinline__ const T* under_tap(const Conv2dShape& s, const T* __restrict__ x,
                                              std::int64_t pixel, std::int64_t r,
                                              std::int64_t column) {
  const std::int64_t line = pixel / s.Q, n = line / s.P;
  const std::int64_t h = line % s.P * s.stride_h - s.pad_h + r;
  const std::int64_t w = pixel % s.Q * s.stride_w - s.pad_w + column;
  if (h < 0 || h >= s.H || w < 0 || w >= s.W) return nullptr;
  return x + ((n * s.H + h) * s.W + w) * s.x_pitch;
}

__device__ __forceinline__ float bias_of(const float* __restrict__ bias, std::int64_t k) {
  return bias != nullptr ? bias[k] : 0.0F;
}

// A thread makes one element. Threads x take neighbouring pixels, as one would write it for
// [N,C,H,W]: here a warp's 32 reads are a pixel apart, a sector each. Threads: x take output
// pixels, blocks y take filters.
template <class T>
__global__ void thread_element_kernel(Conv2dShape s, const T* __restrict__ x,
                                      const T* __restrict__ w, const float* __restrict__ bias,
                                      T* __restrict__ y) {
  const std::int64_t pixel = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x, k = blockIdx.y;
  if (pixel >= s.N * s.P * s.Q) return;
  float sum = bias_of(bias, k);
  for (std::int64_t tap = 0; tap < s.R * s.S; ++tap) {
    const T* in = under_tap(s, x, pixel, tap / s.S, tap % s.S);
    const T* filter = w + (k * s.R * s.S + tap) * s.C;
    for (std::int64_t c = 0; c < s.C && in != nullptr; ++c) {
      sum += static_cast<float>(in[c]) * static_cast<float>(filter[c]);
    }
  }
  y[pixel * s.y_pitch + k] = static_cast<T>(sum);
}

void thread_element(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                    const float* bias, void* y) {
  constexpr unsigned kThreads = 64;
  const dim3 grid{static_cast<unsigned>(divide_up(s.N * s.P * s.Q, kThreads)),
                  static_cast<unsigned>(s.K), 1};
  cuda::dispatch_type("conv2d_fwd", s.dtype, [&]<class T>() {
    launch("conv2d_fwd", thread_element_kernel<T>, grid, dim3{kThreads, 1, 1}, 0, ctx, s,
           static_cast<const T*>(x), static_cast<const T*>(w), bias, static_cast<T*>(y));
  });
}

// A warp makes one element: lanes take neighbouring channels, which lie side by side in x and in w,
// and add up through shuffles. Threads: x is the lane, y takes filters, blocks x take pixels.
template <class T>
__global__ void warp_channels_kernel(Conv2dShape s, const T* __restrict__ x,
                                     const T* __restrict__ w, const float* __restrict__ bias,
                                     T* __restrict__ y) {
  const std::int64_t pixel = blockIdx.x;
  const std::int64_t k = std::int64_t{blockIdx.y} * blockDim.y + threadIdx.y;
  if (k >= s.K) return;
  float sum = 0;
  for (std::int64_t tap = 0; tap < s.R * s.S; ++tap) {
    const T* in = under_tap(s, x, pixel, tap / s.S, tap % s.S);
    const T* filter = w + (k * s.R * s.S + tap) * s.C;
    for (std::int64_t c = threadIdx.x; c < s.C && in != nullptr; c += kWarpLanes) {
      sum += static_cast<float>(in[c]) * static_cast<float>(filter[c]);
    }
  }
  sum = warp_sum(sum);
  if (threadIdx.x == 0) y[pixel * s.y_pitch + k] = static_cast<T>(sum + bias_of(bias, k));
}

void warp_channels(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                   const float* bias, void* y) {
  constexpr dim3 kThreads{kWarpLanes, 4, 1};
  const dim3 grid{static_cast<unsigned>(s.N * s.P * s.Q),
                  static_cast<unsigned>(divide_up(s.K, kThreads.y)), 1};
  cuda::dispatch_type("conv2d_fwd", s.dtype, [&]<class T>() {
    launch("conv2d_fwd", warp_channels_kernel<T>, grid, kThreads, 0, ctx, s,
           static_cast<const T*>(x), static_cast<const T*>(w), bias, static_cast<T*>(y));
  });
}

// Element (pixel, depth) of the matrix of windows, depth = (r * S + s) * C + c.
template <class T>
struct Windows {
  Conv2dShape s;
  const T* x;
  __device__ T at(std::int64_t pixel, std::int64_t depth) const {
    const std::int64_t tap = depth / s.C;
    const T* in = under_tap(s, x, pixel, tap / s.S, tap % s.S);
    return in != nullptr ? in[depth % s.C] : static_cast<T>(0.0F);
  }
  __device__ float operator()(std::int64_t pixel, std::int64_t depth) const {
    return static_cast<float>(at(pixel, depth));
  }
};

// windows[pixel, depth] in memory, R * S times as large as x.
// Threads: x take depths, y take pixels.
template <class T>
__global__ void windows_kernel(Conv2dShape s, const T* __restrict__ x, T* __restrict__ windows) {
  const std::int64_t depths = s.R * s.S * s.C;
  const std::int64_t depth = std::int64_t{blockIdx.y} * kSide + threadIdx.x;
  const std::int64_t pixel = std::int64_t{blockIdx.x} * kSide + threadIdx.y;
  if (depth >= depths || pixel >= s.N * s.P * s.Q) return;
  windows[pixel * depths + depth] = Windows<T>{s, x}.at(pixel, depth);
}

// y = windows * w^T: a product of matrices (tiles.h), since a filter runs along r, s, c too.
template <class T>
__global__ void windows_product_kernel(Conv2dShape s, const T* __restrict__ windows,
                                       const T* __restrict__ w, const float* __restrict__ bias,
                                       T* __restrict__ y) {
  const std::int64_t depths = s.R * s.S * s.C;
  multiply_tiles(Matrix<T>{windows, depths}, Matrix<T>{w, depths}, s.N * s.P * s.Q, s.K, depths,
                 bias, s.y_pitch, y);
}

void explicit_windows(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                      const float* bias, void* y) {
  const std::int64_t pixels = s.N * s.P * s.Q, depths = s.R * s.S * s.C;
  if (pixels == 0) return;
  constexpr dim3 kThreads{kSide, kSide, 1};
  cuda::dispatch_type("conv2d_fwd", s.dtype, [&]<class T>() {
    T* windows = ctx.scratch<T>(pixels * depths);
    launch("conv2d_fwd", windows_kernel<T>, tiles_of(pixels, depths), kThreads, 0, ctx, s,
           static_cast<const T*>(x), windows);
    launch("conv2d_fwd", windows_product_kernel<T>, tiles_of(pixels, s.K), kThreads, 0, ctx, s,
           windows, static_cast<const T*>(w), bias, static_cast<T*>(y));
  });
}

// The same product without the matrix: its elements are gathered from x when a tile is brought.
template <class T>
__global__ void implicit_windows_kernel(Conv2dShape s, const T* __restrict__ x,
                                        const T* __restrict__ w, const float* __restrict__ bias,
                                        T* __restrict__ y) {
  const std::int64_t depths = s.R * s.S * s.C;
  multiply_tiles(Windows<T>{s, x}, Matrix<T>{w, depths}, s.N * s.P * s.Q, s.K, depths, bias,
                 s.y_pitch, y);
}

void implicit_windows(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                      const float* bias, void* y) {
  cuda::dispatch_type("conv2d_fwd", s.dtype, [&]<class T>() {
    launch("conv2d_fwd", implicit_windows_kernel<T>, tiles_of(s.N * s.P * s.Q, s.K),
           dim3{kSide, kSide, 1}, 0, ctx, s, static_cast<const T*>(x), static_cast<const T*>(w),
           bias, static_cast<T*>(y));
  });
}

}  // namespace

Ladder convolution_ladder() {
  return {"convolution",
          "conv2d_fwd N=1 H=14 W=14 C=64 K=32 R=3 S=3 pad=1x1",
          {
              {"thread_element", "one thread makes one element",
               [](KernelTable& table) { table.conv2d_fwd = thread_element; }},
              {"warp_channels", "a warp makes one: coalesced channels",
               [](KernelTable& table) { table.conv2d_fwd = warp_channels; }},
              {"explicit_windows", "the matrix of windows, then a product",
               [](KernelTable& table) { table.conv2d_fwd = explicit_windows; }},
              {"implicit_windows", "the product gathers the windows itself",
               [](KernelTable& table) { table.conv2d_fwd = implicit_windows; }},
          }};
}

}  // namespace lamella::ladder
