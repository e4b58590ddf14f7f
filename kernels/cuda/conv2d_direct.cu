// Direct convolution for images of few channels: the first layer of a network, which sees 1 or 3.
// An implicit product would fetch such an image element by element, each for every window that it
// is in. Here a block keeps a part of the image and 32 filters in shared memory, both as f32, and
// each thread makes 4 neighbouring pixels of 4 filters in registers.
#include "kernels/cuda/conv2d_direct.h"

namespace lamella::cuda {
namespace {

// y in a block: kRows x kColumns pixels of kFilters filters. 8 threads share a pixel's filters; a
// warp has 4 rows, a thread kRun pixels of a row.
constexpr int kRows = 8, kColumns = 16, kFilters = 32, kRun = 4;
constexpr int kWarps = kBlock / kWarpLanes, kFilterThreads = kFilters / kRun;
static_assert(kRows * kColumns * kFilters == kBlock * kRun * kRun);

// Shared memory, in floats. The patch of the image under the block's windows: an odd pitch, so that
// rows begin in different banks. A filter: R segments of S * C, each filled up to fours with zeros.
struct Layout {
  int patch_rows, patch_columns, patch_pitch;
  int segment, filter_pitch;

  explicit Layout(const Conv2dShape& s)
      : patch_rows(static_cast<int>((kRows - 1) * s.stride_h + s.R)),
        patch_columns(static_cast<int>(((kColumns - 1) * s.stride_w + s.S) * s.C)),
        patch_pitch(patch_columns | 1),
        segment(static_cast<int>(divide_up(s.S * s.C, 4) * 4)),
        filter_pitch(static_cast<int>(divide_up(s.R * segment, 32) * 32)) {}
  __device__ int filters() const { return kFilters * filter_pitch; }
  // Of the filters, the patch and, in their place when they are done with, the results; the biases.
  std::int64_t bytes() const {
    const std::int64_t operands =
        std::int64_t{kFilters} * filter_pitch + std::int64_t{patch_rows} * patch_pitch;
    const std::int64_t results = kRows * kColumns * kFilters;
    return (kFilters + std::max(operands, results)) * static_cast<std::int64_t>(sizeof(float));
  }
};

// Groups of four change places, so that the threads of 8 groups of filters meet different banks.
__device__ __forceinline__ float* filter_at(float* filters, const Layout& layout, int filter,
                                            int element) {
  const int group = element / 4 ^ filter / 4 % 8;
  return filters + filter * layout.filter_pitch + group * 4 + element % 4;
}

// And here so that two pixels of a warp do.
__device__ __forceinline__ float* result_at(float* results, int pixel, int filter) {
  return results + pixel * kFilters + (filter / 4 ^ pixel % 2) * 4 + filter % 4;
}

__device__ __forceinline__ int lane() {
  return static_cast<int>(threadIdx.x) % kWarpLanes;
}
__device__ __forceinline__ int warp() {
  return static_cast<int>(threadIdx.x) / kWarpLanes;
}

// Where the block is: blockIdx = (tile of pixels, group of filters, image).
struct Corner {
  int p, q;
  std::int64_t filter, image;
  __device__ explicit Corner(const Conv2dShape& s)
      : filter(std::int64_t{blockIdx.y} * kFilters), image(blockIdx.z) {
    const int across = static_cast<int>((s.Q + kColumns - 1) / kColumns);
    p = static_cast<int>(blockIdx.x) / across * kRows;
    q = static_cast<int>(blockIdx.x) % across * kColumns;
  }
};

// A warp brings a row at a time, its lanes neighbours; zeros outside the image.
template <class T>
__device__ __forceinline__ void bring_patch(const Conv2dShape& s, const Layout& layout,
                                            const Corner& corner, const T* __restrict__ x,
                                            float* patch) {
  const int C = static_cast<int>(s.C);
  const std::int64_t top = corner.p * s.stride_h - s.pad_h;
  const std::int64_t left = corner.q * s.stride_w - s.pad_w;
  for (int row = warp(); row < layout.patch_rows; row += kWarps) {
    const std::int64_t h = top + row;
    for (int element = lane(); element < layout.patch_columns; element += kWarpLanes) {
      const std::int64_t w = left + element / C;
      float value = 0;
      if (h >= 0 && h < s.H && w >= 0 && w < s.W) {
        value =
            static_cast<float>(x[((corner.image * s.H + h) * s.W + w) * s.x_pitch + element % C]);
      }
      patch[row * layout.patch_pitch + element] = value;
    }
  }
}

// A warp brings a filter at a time; zeros after each segment, and for filters that are not there.
template <class T>
__device__ __forceinline__ void bring_filters(const Conv2dShape& s, const Layout& layout,
                                              const Corner& corner, const T* __restrict__ w,
                                              float* filters) {
  const int used = static_cast<int>(s.S * s.C), all = static_cast<int>(s.R) * layout.segment;
  for (int filter = warp(); filter < kFilters; filter += kWarps) {
    const std::int64_t k = corner.filter + filter;
    for (int element = lane(); element < all; element += kWarpLanes) {
      const int r = element / layout.segment, tap = element % layout.segment;
      const bool there = k < s.K && tap < used;
      const float value = there ? static_cast<float>(w[(k * s.R + r) * used + tap]) : 0.0F;
      *filter_at(filters, layout, filter, element) = value;
    }
  }
}

// Pixel i of the thread's run, filter j of its four.
struct Sums {
  float v[kRun][4];
};

__device__ __forceinline__ int row_of_thread() {
  return warp() % 2 * 4 + lane() / kFilterThreads;
}
__device__ __forceinline__ int column_of_thread() {
  return warp() / 2 * kRun;
}
__device__ __forceinline__ int filter_of_thread() {
  return lane() % kFilterThreads * 4;
}

__device__ __forceinline__ void multiply(const Conv2dShape& s, const Layout& layout, float* filters,
                                         const float* patch, Sums& sums) {
  const int used = static_cast<int>(s.S * s.C), step = static_cast<int>(s.stride_w * s.C);
  const float* window = patch +
                        row_of_thread() * static_cast<int>(s.stride_h) * layout.patch_pitch +
                        column_of_thread() * step;
  for (int r = 0; r < s.R; ++r, window += layout.patch_pitch) {
    for (int first = 0; first < used; first += 4) {
      Run<4> weights[4];
      UNROLL for (int j = 0; j < 4; ++j) {
        weights[j] =
            load<4>(filter_at(filters, layout, filter_of_thread() + j, r * layout.segment + first));
      }
      UNROLL for (int tap = 0; tap < 4; ++tap) {
        if (first + tap >= used) break;
        UNROLL for (int i = 0; i < kRun; ++i) {
          const float value = window[i * step + first + tap];
          UNROLL for (int j = 0; j < 4; ++j) sums.v[i][j] += value * weights[j][tap];
        }
      }
    }
  }
}

// Lanes take neighbouring runs of V filters of as many pixels as that leaves.
template <int V, class T>
__device__ __forceinline__ void write_results(const Conv2dShape& s, const Corner& corner,
                                              float* results, T* __restrict__ y) {
  constexpr int kLanes = kFilters / V, kPart = V < 4 ? V : 4;
  const int filter = static_cast<int>(threadIdx.x) % kLanes * V;
  for (int pixel = static_cast<int>(threadIdx.x) / kLanes; pixel < kRows * kColumns;
       pixel += kBlock / kLanes) {
    const std::int64_t p = corner.p + pixel / kColumns, q = corner.q + pixel % kColumns;
    if (p >= s.P || q >= s.Q || corner.filter + filter >= s.K) continue;
    Run<V> run;
    UNROLL for (int first = 0; first < V; first += kPart) {
      const Run<kPart> part = load<kPart>(result_at(results, pixel, filter + first));
      UNROLL for (int i = 0; i < kPart; ++i) run[first + i] = part[i];
    }
    const std::int64_t at = (corner.image * s.P + p) * s.Q + q;
    store<V>(y + at * s.y_pitch + corner.filter + filter, run);
  }
}

// y[n,p,q,k] = sum over r,s,c of x[n, p * stride_h - pad_h + r, q * stride_w - pad_w + s, c] *
// w[k,r,s,c] + bias[k]; zero outside the image. x at x_pitch, y at y_pitch; bias may be null.
// V: elements of y that one access writes. Accumulation in f32; deterministic.
// Least bytes: (N * H * W * C + K * R * S * C + N * P * Q * K) * sizeof(T).
// FLOPs: 2 * N * P * Q * K * R * S * C.
template <class T, int V>
__global__ void conv2d_direct_kernel(Conv2dShape s, Layout layout, const T* __restrict__ x,
                                     const T* __restrict__ w, const float* __restrict__ bias,
                                     T* __restrict__ y) {
  float* biases = dynamic_shared<float>();
  float* filters = biases + kFilters;
  float* patch = filters + layout.filters();
  const Corner corner(s);
  if (threadIdx.x < kFilters) {
    const std::int64_t k = corner.filter + threadIdx.x;
    biases[threadIdx.x] = bias != nullptr && k < s.K ? bias[k] : 0.0F;
  }
  bring_filters(s, layout, corner, w, filters);
  bring_patch(s, layout, corner, x, patch);
  __syncthreads();
  Sums sums;
  const Run<4> initial = load<4>(biases + filter_of_thread());
  UNROLL for (int i = 0; i < kRun; ++i) {
    UNROLL for (int j = 0; j < 4; ++j) sums.v[i][j] = initial[j];
  }
  multiply(s, layout, filters, patch, sums);
  __syncthreads();  // all are done with the filters
  float* results = filters;
  UNROLL for (int i = 0; i < kRun; ++i) {
    Run<4> run;
    UNROLL for (int j = 0; j < 4; ++j) run[j] = sums.v[i][j];
    const int pixel = row_of_thread() * kColumns + column_of_thread() + i;
    store<4>(result_at(results, pixel, filter_of_thread()), run);
  }
  __syncthreads();
  write_results<V>(s, corner, results, y);
}

}  // namespace

bool has_direct_form(const Conv2dShape& s) {
  constexpr std::int64_t kMostChannels = 4, kMostBytes = 48 << 10, kMostExtent = 1 << 12;
  const bool small = s.R <= kMostExtent && s.S <= kMostExtent && s.stride_h <= kMostExtent &&
                     s.stride_w <= kMostExtent;
  return s.C <= kMostChannels && small && s.N < (1 << 16) && Layout(s).bytes() <= kMostBytes;
}

void conv2d_direct_fwd(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                       const float* bias, void* y) {
  const std::int64_t tiles = divide_up(s.P, kRows) * divide_up(s.Q, kColumns);
  const dim3 grid{static_cast<unsigned>(tiles), static_cast<unsigned>(divide_up(s.K, kFilters)),
                  static_cast<unsigned>(s.N)};
  const Layout layout(s);
  dispatch("conv2d_fwd", {s.dtype, {s.K, s.y_pitch}, {y}}, [&]<class T, int V>() {
    launch("conv2d_fwd", conv2d_direct_kernel<T, V>, grid, {kBlock, 1, 1},
           static_cast<std::size_t>(layout.bytes()), ctx, s, layout, static_cast<const T*>(x),
           static_cast<const T*>(w), bias, static_cast<T*>(y));
  });
}

}  // namespace lamella::cuda
