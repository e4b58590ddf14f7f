// Direct convolution for images of few channels: the first layer of a network, which sees 1 or 3.
// An implicit product would fetch such an image element by element, each for every window that it
// is in. Here a block keeps a part of the image in shared memory, as f32, and beside it
//   forward          32 filters; a thread makes 4 neighbouring pixels of 4 filters in registers
//   backward weight  dy of 32 filters; a thread makes 4 filters of up to 8 taps (r,s,c)
// Accumulation in f32; deterministic. FLOPs: 2 * N * P * Q * K * R * S * C.
#include "kernels/cuda/conv2d_direct.h"

#include "kernels/cuda/product/merge.h"

namespace lamella::cuda {
namespace {

// y in a block: kRows x kColumns pixels of kFilters filters. 8 threads share a pixel's filters; a
// warp has 4 rows, a thread kRun pixels of a row.
constexpr int kRows = 8, kColumns = 16, kFilters = 32, kRun = 4;
constexpr int kWarps = kBlock / kWarpLanes, kFilterThreads = kFilters / kRun;
static_assert(kRows * kColumns * kFilters == kBlock * kRun * kRun);

// The part of the image under the windows of kRows x kColumns pixels, in shared memory.
struct Patch {
  int rows, columns, pitch;  // floats; a row holds the channels of its pixels

  explicit Patch(const Conv2dShape& s)
      : rows(static_cast<int>((kRows - 1) * s.stride_h + s.R)),
        columns(static_cast<int>(((kColumns - 1) * s.stride_w + s.S) * s.C)),
        pitch(columns) {}
  std::int64_t floats() const { return std::int64_t{rows} * pitch; }
};

// Shared memory of the forward pass. Rows of the patch begin in different banks: their pitch is
// odd. A filter: R segments of S * C, each filled up to fours with zeros.
struct Layout {
  Patch patch;
  int segment, filter_pitch;

  explicit Layout(const Conv2dShape& s)
      : patch(s),
        segment(static_cast<int>(divide_up(s.S * s.C, 4) * 4)),
        filter_pitch(static_cast<int>(divide_up(s.R * segment, 32) * 32)) {
    patch.pitch |= 1;
  }
  __device__ int filters() const { return kFilters * filter_pitch; }
  // Of the biases, the filters, the patch and, in place of the last two, the results.
  std::int64_t bytes() const {
    const std::int64_t operands = std::int64_t{kFilters} * filter_pitch + patch.floats();
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

// A tile of pixels, and the block's group of filters.
struct Corner {
  int p, q;
  std::int64_t filter, image;
  __device__ Corner(const Conv2dShape& s, unsigned tile, std::int64_t of_image)
      : filter(std::int64_t{blockIdx.y} * kFilters), image(of_image) {
    const auto across = static_cast<unsigned>((s.Q + kColumns - 1) / kColumns);
    p = static_cast<int>(tile / across) * kRows;
    q = static_cast<int>(tile % across) * kColumns;
  }
};

// A warp brings a row at a time, its lanes neighbours; zeros outside the image.
template <class T>
__device__ __forceinline__ void bring_patch(const Conv2dShape& s, const Patch& size,
                                            const Corner& corner, const T* __restrict__ x,
                                            float* patch) {
  const int C = static_cast<int>(s.C);
  const std::int64_t top = corner.p * s.stride_h - s.pad_h;
  const std::int64_t left = corner.q * s.stride_w - s.pad_w;
  for (int row = warp_of_thread(); row < size.rows; row += kWarps) {
    const std::int64_t h = top + row;
    for (int element = lane_of_thread(); element < size.columns; element += kWarpLanes) {
      const std::int64_t w = left + element / C;
      float value = 0;
      if (h >= 0 && h < s.H && w >= 0 && w < s.W) {
        const std::int64_t pixel = (corner.image * s.H + h) * s.W + w;
        value = static_cast<float>(x[pixel * s.x_pitch + element % C]);
      }
      patch[row * size.pitch + element] = value;
    }
  }
}

// A warp brings a filter at a time; zeros after each segment, and for filters that are not there.
template <class T>
__device__ __forceinline__ void bring_filters(const Conv2dShape& s, const Layout& layout,
                                              const Corner& corner, const T* __restrict__ w,
                                              float* filters) {
  const int used = static_cast<int>(s.S * s.C), all = static_cast<int>(s.R) * layout.segment;
  for (int filter = warp_of_thread(); filter < kFilters; filter += kWarps) {
    const std::int64_t k = corner.filter + filter;
    for (int element = lane_of_thread(); element < all; element += kWarpLanes) {
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
  return warp_of_thread() % 2 * 4 + lane_of_thread() / kFilterThreads;
}
__device__ __forceinline__ int column_of_thread() {
  return warp_of_thread() / 2 * kRun;
}
__device__ __forceinline__ int filter_of_thread() {
  return lane_of_thread() % kFilterThreads * 4;
}

__device__ __forceinline__ void multiply(const Conv2dShape& s, const Layout& layout, float* filters,
                                         const float* patch, Sums& sums) {
  const int used = static_cast<int>(s.S * s.C), step = static_cast<int>(s.stride_w * s.C);
  const float* window = patch +
                        row_of_thread() * static_cast<int>(s.stride_h) * layout.patch.pitch +
                        column_of_thread() * step;
  for (int r = 0; r < s.R; ++r, window += layout.patch.pitch) {
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
  constexpr int kLanes = kFilters / V;
  const int filter = static_cast<int>(threadIdx.x) % kLanes * V;
  for (int pixel = static_cast<int>(threadIdx.x) / kLanes; pixel < kRows * kColumns;
       pixel += kBlock / kLanes) {
    const std::int64_t p = corner.p + pixel / kColumns, q = corner.q + pixel % kColumns;
    if (p >= s.P || q >= s.Q || corner.filter + filter >= s.K) continue;
    const Run<V> run =
        load_fours<V>([&](int first) { return result_at(results, pixel, filter + first); });
    const std::int64_t at = (corner.image * s.P + p) * s.Q + q;
    store<V>(y + at * s.y_pitch + corner.filter + filter, run);
  }
}

// y[n,p,q,k] = sum over r,s,c of x[n, p * stride_h - pad_h + r, q * stride_w - pad_w + s, c] *
// w[k,r,s,c] + bias[k]; zero outside the image. x at x_pitch, y at y_pitch; bias may be null.
// blockIdx = (tile of pixels, group of filters, image). V: elements of y that one access writes.
// Least bytes: (N * H * W * C + K * R * S * C + N * P * Q * K) * sizeof(T).
template <class T, int V>
__global__ void conv2d_direct_kernel(Conv2dShape s, Layout layout, const T* __restrict__ x,
                                     const T* __restrict__ w, const float* __restrict__ bias,
                                     T* __restrict__ y) {
  float* biases = dynamic_shared<float>();
  float* filters = biases + kFilters;
  float* patch = filters + layout.filters();
  const Corner corner(s, blockIdx.x, blockIdx.z);
  if (threadIdx.x < kFilters) {
    const std::int64_t k = corner.filter + threadIdx.x;
    biases[threadIdx.x] = bias != nullptr && k < s.K ? bias[k] : 0.0F;
  }
  bring_filters(s, layout, corner, w, filters);
  bring_patch(s, layout.patch, corner, x, patch);
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

// --- backward weight ---------------------------------------------------------------------------
constexpr int kTapThreads = kBlock / kFilterThreads, kTaps = 8;  // a thread's taps

// Shared memory: dy of the tile and the patch; in their place the results. Tap t of a window is t
// banks after its first, in the next row of the patch too.
struct WeightLayout {
  Patch patch;
  int taps, result_pitch;

  explicit WeightLayout(const Conv2dShape& s)
      : patch(s), taps(static_cast<int>(s.R * s.S * s.C)), result_pitch(taps | 1) {
    const int row = static_cast<int>(s.S * s.C);
    patch.pitch += (row - patch.pitch % 32 + 32 * row) % 32;
  }
  std::int64_t bytes() const {
    const std::int64_t operands = kRows * kColumns * kFilters + patch.floats();
    const std::int64_t results = std::int64_t{kFilters} * result_pitch;
    return std::max(operands, results) * static_cast<std::int64_t>(sizeof(float));
  }
};

// dy of the tile's pixels and the block's filters, V neighbouring filters by a thread; zeros
// outside.
template <int V, class T>
__device__ __forceinline__ void bring_gradients(const Conv2dShape& s, const Corner& corner,
                                                const T* __restrict__ dy, float* gradients) {
  constexpr int kLanes = kFilters / V;
  const int filter = static_cast<int>(threadIdx.x) % kLanes * V;
  for (int pixel = static_cast<int>(threadIdx.x) / kLanes; pixel < kRows * kColumns;
       pixel += kBlock / kLanes) {
    const std::int64_t p = corner.p + pixel / kColumns, q = corner.q + pixel % kColumns;
    const std::int64_t at = (corner.image * s.P + p) * s.Q + q, k = corner.filter + filter;
    Run<V> run{};
    if (p < s.P && q < s.Q && k < s.K) run = load<V>(dy + at * s.y_pitch + k);
    store_fours(run, [&](int first) { return result_at(gradients, pixel, filter + first); });
  }
}

// The thread's taps: tap_of_thread() + i * kTapThreads for i < kTaps, as far as there are some.
__device__ __forceinline__ int tap_of_thread() {
  return static_cast<int>(threadIdx.x) / kFilterThreads;
}

struct WeightSums {
  float v[kTaps][4] = {};

  __device__ __forceinline__ void add(const Conv2dShape& s, const WeightLayout& layout,
                                      float* gradients, const float* patch) {
    const int row = static_cast<int>(s.S * s.C), step = static_cast<int>(s.stride_w * s.C);
    const int down = static_cast<int>(s.stride_h) * layout.patch.pitch;
    int offsets[kTaps];
    UNROLL for (int i = 0; i < kTaps; ++i) {
      const int tap = tap_of_thread() + i * kTapThreads;
      offsets[i] = tap / row * layout.patch.pitch + tap % row;
    }
    for (int pixel = 0; pixel < kRows * kColumns; ++pixel) {
      const Run<4> g = load<4>(result_at(gradients, pixel, filter_of_thread()));
      const float* window = patch + pixel / kColumns * down + pixel % kColumns * step;
      UNROLL for (int i = 0; i < kTaps; ++i) {
        if (tap_of_thread() + i * kTapThreads >= layout.taps) break;
        const float value = window[offsets[i]];
        UNROLL for (int j = 0; j < 4; ++j) v[i][j] += value * g[j];
      }
    }
  }
};

// partials[b][k][tap] = the sum over the tiles of pixels of block b = blockIdx.x, and over all b of
// it dw[k,r,s,c] = sum over n,p,q of dy[n,p,q,k] * x[n, p * stride_h - pad_h + r,
// q * stride_w - pad_w + s, c], zero outside the image; tap = (r,s,c). dy at y_pitch, x at x_pitch.
// blockIdx.y: group of filters. V: elements of dy that one access reads.
// Least bytes: (N * H * W * C + N * P * Q * K) * sizeof(T) + gridDim.x * K * R * S * C * 4.
template <class T, int V>
__global__ void conv2d_direct_bwd_weight_kernel(Conv2dShape s, WeightLayout layout,
                                                const T* __restrict__ x, const T* __restrict__ dy,
                                                float* __restrict__ partials, unsigned tiles) {
  float* gradients = dynamic_shared<float>();
  float* patch = gradients + kRows * kColumns * kFilters;
  WeightSums sums;
  for (std::int64_t tile = blockIdx.x; tile < s.N * tiles; tile += gridDim.x) {
    const auto number = static_cast<unsigned>(tile);
    const Corner corner(s, number % tiles, number / tiles);
    bring_gradients<V>(s, corner, dy, gradients);
    bring_patch(s, layout.patch, corner, x, patch);
    __syncthreads();
    sums.add(s, layout, gradients, patch);
    __syncthreads();
  }
  float* results = gradients;
  UNROLL for (int i = 0; i < kTaps; ++i) {
    const int tap = tap_of_thread() + i * kTapThreads;
    if (tap >= layout.taps) break;
    UNROLL for (int j = 0; j < 4; ++j) {
      results[(filter_of_thread() + j) * layout.result_pitch + tap] = sums.v[i][j];
    }
  }
  __syncthreads();
  for (int filter = warp_of_thread(); filter < kFilters; filter += kWarps) {
    const std::int64_t k = std::int64_t{blockIdx.y} * kFilters + filter;
    if (k >= s.K) break;
    float* row = partials + (blockIdx.x * s.K + k) * layout.taps;
    for (int tap = lane_of_thread(); tap < layout.taps; tap += kWarpLanes) {
      row[tap] = results[filter * layout.result_pitch + tap];
    }
  }
}

constexpr std::int64_t kMostBytes = 48 << 10;  // of shared memory, without asking for more

// At most 4 channels, and extents with which the layouts can be worked out.
bool has_few_channels(const Conv2dShape& s) {
  constexpr std::int64_t kMostChannels = 4, kMostExtent = 1 << 12;
  const bool small = s.R <= kMostExtent && s.S <= kMostExtent && s.stride_h <= kMostExtent &&
                     s.stride_w <= kMostExtent;
  return s.C <= kMostChannels && small && s.N < (1 << 16);
}

std::int64_t tiles_of(const Conv2dShape& s) {
  return divide_up(s.P, kRows) * divide_up(s.Q, kColumns);
}

}  // namespace

bool has_direct_fwd(const Conv2dShape& s) {
  return has_few_channels(s) && Layout(s).bytes() <= kMostBytes;
}

void conv2d_direct_fwd(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                       const float* bias, void* y) {
  const dim3 grid{static_cast<unsigned>(tiles_of(s)),
                  static_cast<unsigned>(divide_up(s.K, kFilters)), static_cast<unsigned>(s.N)};
  const Layout layout(s);
  dispatch("conv2d_fwd", {s.dtype, {s.K, s.y_pitch}, {y}}, [&]<class T, int V>() {
    launch("conv2d_fwd", conv2d_direct_kernel<T, V>, grid, {kBlock, 1, 1},
           static_cast<std::size_t>(layout.bytes()), ctx, s, layout, static_cast<const T*>(x),
           static_cast<const T*>(w), bias, static_cast<T*>(y));
  });
}

bool has_direct_bwd_weight(const Conv2dShape& s) {
  if (!has_few_channels(s) || s.R * s.S * s.C > kTapThreads * kTaps) return false;
  return WeightLayout(s).bytes() <= kMostBytes;
}

void conv2d_direct_bwd_weight(const KernelContext& ctx, const Conv2dShape& s, const void* x,
                              const void* dy, void* dw, Write write) {
  constexpr std::int64_t kWantedBlocks = 264;  // two on each multiprocessor of a large GPU
  const WeightLayout layout(s);
  const std::int64_t tiles = tiles_of(s), groups = divide_up(s.K, kFilters);
  const std::int64_t shares = std::min(s.N * tiles, divide_up(kWantedBlocks, groups));
  float* partials = ctx.scratch<float>(shares * s.K * layout.taps);
  const dim3 grid{static_cast<unsigned>(shares), static_cast<unsigned>(groups), 1};
  dispatch("conv2d_bwd_weight", {s.dtype, {s.K, s.y_pitch}, {dy}}, [&]<class T, int V>() {
    launch("conv2d_bwd_weight", conv2d_direct_bwd_weight_kernel<T, V>, grid, {kBlock, 1, 1},
           static_cast<std::size_t>(layout.bytes()), ctx, s, layout, static_cast<const T*>(x),
           static_cast<const T*>(dy), partials, static_cast<unsigned>(tiles));
    const TileOut out{s.K, layout.taps, layout.taps, 0, partials, write, false};
    merge_shares("conv2d_bwd_weight", ctx, out, shares, nullptr, static_cast<T*>(dw));
  });
}

}  // namespace lamella::cuda
