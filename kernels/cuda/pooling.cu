// Max and average pooling over windows of an NHWC image, forward and backward. Backward gathers:
// each input pixel asks the windows that contain it, so nothing is added by two threads.
//
// Common to all: a block makes a tile of 8 x 8 pixels of the result (more where there are few
// channels) times a tile of channels, so that overlapping windows are fetched from memory once and
// the halo is all that is fetched twice. Threads x take runs of V channels, threads y take pixels
// of the tile; V fills 16 bytes where channels, pitches and pointers allow, else V = 1. Sums are
// f32 in row-major window order: deterministic. The least bytes count each element once.
#include <type_traits>

#include "kernels/cuda/common.h"
#include "kernels/cuda/families.h"

namespace lamella::cuda {
namespace {

struct Interval {
  std::int64_t begin, end;
  __device__ std::int64_t size() const { return end > begin ? end - begin : 0; }
};

__device__ __forceinline__ std::int64_t lesser(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}
__device__ __forceinline__ std::int64_t greater(std::int64_t a, std::int64_t b) {
  return a < b ? b : a;
}

// The part inside [0, limit) of the window that starts at `start`.
__device__ __forceinline__ Interval inside(std::int64_t start, std::int64_t size,
                                           std::int64_t limit) {
  return {greater(start, 0), lesser(start + size, limit)};
}

// The windows that contain position h: p * stride - pad <= h < p * stride - pad + size, 0 <= p < P.
__device__ __forceinline__ Interval windows_over(std::int64_t h, std::int64_t size,
                                                 std::int64_t stride, std::int64_t pad,
                                                 std::int64_t count) {
  const std::int64_t last = (h + pad) / stride, before = h + pad - size;
  return {before < 0 ? 0 : before / stride + 1, lesser(last + 1, count)};
}

// The positions of `extent` that part `index` of `count` equal parts touches: what an adaptive
// window reads; and, with the two exchanged, the windows that read a position.
__device__ __forceinline__ Interval touched(std::int64_t index, std::int64_t extent,
                                            std::int64_t count) {
  return {index * extent / count, ((index + 1) * extent + count - 1) / count};
}

// A pixel of an [N, height, width] image.
struct Pixel {
  std::int64_t n, h, w;
};

__device__ __forceinline__ Pixel pixel_at(std::int64_t index, std::int64_t height,
                                          std::int64_t width) {
  const std::int64_t row = index / width;
  return {row / height, row % height, index % width};
}

constexpr int kTileSide = 8;

// Pixels of a tile from top to bottom, for a block with `threads` threads y.
__host__ __device__ constexpr int tile_height(int threads) {
  return threads <= kTileSide * kTileSide ? kTileSide : threads / kTileSide;
}

// Calls body(pixel) for each pixel of an [N, height, width] result that is this thread's.
template <class Body>
__device__ __forceinline__ void for_tile_pixels(std::int64_t N, std::int64_t height,
                                                std::int64_t width, const Body& body) {
  const int threads = static_cast<int>(blockDim.y);
  const int side = tile_height(threads);
  const std::int64_t down = (height + side - 1) / side;
  const std::int64_t across = (width + kTileSide - 1) / kTileSide;
  for (std::int64_t tile = blockIdx.x; tile < N * down * across; tile += gridDim.x) {
    const Pixel at = pixel_at(tile, down, across);
    for (int i = static_cast<int>(threadIdx.y); i < side * kTileSide; i += threads) {
      const std::int64_t h = at.h * side + i / kTileSide, w = at.w * kTileSide + i % kTileSide;
      if (h < height && w < width) body(Pixel{at.n, h, w});
    }
  }
}

// The first channel of this thread's run.
template <int V>
__device__ __forceinline__ std::int64_t first_channel() {
  return (std::int64_t{blockIdx.y} * blockDim.x + threadIdx.x) * V;
}

// The winners of V neighbouring channels, a byte each, read and written with one access.
template <int V>
struct Winners {
  static_assert(V == 1 || V == 4 || V == 8);
  using Word = std::conditional_t<V == 1, std::uint8_t,
                                  std::conditional_t<V == 4, std::uint32_t, std::uint64_t>>;
  using Bytes = std::conditional_t<V == 8, std::uint64_t, std::uint32_t>;
  Bytes bytes = 0;
  __device__ static unsigned shift(int i) { return 8U * static_cast<unsigned>(i); }
  __device__ std::uint32_t operator[](int i) const {
    return static_cast<std::uint32_t>(bytes >> shift(i)) & 0xFFU;
  }
  __device__ void set(int i, std::uint32_t code) {
    bytes = (bytes & ~(Bytes{0xFF} << shift(i))) | Bytes{code} << shift(i);
  }
};

template <int V>
__device__ __forceinline__ Winners<V> load_winners(const std::uint8_t* __restrict__ p) {
  return {*reinterpret_cast<const typename Winners<V>::Word*>(p)};
}

template <int V>
__device__ __forceinline__ void store_winners(std::uint8_t* __restrict__ p, Winners<V> winners) {
  using Word = typename Winners<V>::Word;
  *reinterpret_cast<Word*>(p) = static_cast<Word>(winners.bytes);
}

// y = max over the window inside the image; the first winner in row-major order, NaN wins.
// argmax [N,P,Q,C] = r * S + s of the winner, or null.
// Least bytes: N * C * (H * W * sizeof(T) + P * Q * (sizeof(T) + 1)).  FLOPs: N * P * Q * C * R *
// S.
template <class T, int V>
__global__ void max_pool2d_fwd_kernel(Pool2dShape s, const T* __restrict__ x, T* __restrict__ y,
                                      std::uint8_t* __restrict__ argmax) {
  const std::int64_t c = first_channel<V>();
  if (c >= s.C) return;
  for_tile_pixels(s.N, s.P, s.Q, [&](const Pixel& out) {
    const std::int64_t pixel = (out.n * s.P + out.h) * s.Q + out.w;
    const std::int64_t top = out.h * s.stride_h - s.pad_h, left = out.w * s.stride_w - s.pad_w;
    const Interval rows = inside(top, s.R, s.H), columns = inside(left, s.S, s.W);
    Run<V> best;
    Winners<V> winners;
    const std::int64_t first = (rows.begin - top) * s.S + columns.begin - left;
    for (int i = 0; i < V; ++i) {
      best[i] = -INFINITY;
      winners.set(i, static_cast<std::uint32_t>(first));
    }
    for (std::int64_t h = rows.begin; h < rows.end; ++h) {
      for (std::int64_t w = columns.begin; w < columns.end; ++w) {
        const Run<V> run = load<V>(x + ((out.n * s.H + h) * s.W + w) * s.x_pitch + c);
        const auto code = static_cast<std::uint32_t>((h - top) * s.S + w - left);
        for (int i = 0; i < V; ++i) {
          const bool first_nan = run[i] != run[i] && best[i] == best[i];
          if (run[i] > best[i] || first_nan) {
            best[i] = run[i];
            winners.set(i, code);
          }
        }
      }
    }
    store<V>(y + pixel * s.y_pitch + c, best);
    if (argmax != nullptr) store_winners<V>(argmax + pixel * s.C + c, winners);
  });
}

// dx[h,w] (=|+=) sum of dy of the windows whose winner is (h,w).
// Least bytes: N * C * (H * W * sizeof(T) + P * Q * (sizeof(T) + 1)), one more dx when adding.
// FLOPs: at most N * H * W * C * ceil(R / stride_h) * ceil(S / stride_w).
template <class T, int V>
__global__ void max_pool2d_bwd_kernel(Pool2dShape s, const T* __restrict__ dy,
                                      const std::uint8_t* __restrict__ argmax, T* __restrict__ dx,
                                      Write write) {
  const std::int64_t c = first_channel<V>();
  if (c >= s.C) return;
  for_tile_pixels(s.N, s.H, s.W, [&](const Pixel& in) {
    const std::int64_t pixel = (in.n * s.H + in.h) * s.W + in.w;
    const Interval rows = windows_over(in.h, s.R, s.stride_h, s.pad_h, s.P);
    const Interval columns = windows_over(in.w, s.S, s.stride_w, s.pad_w, s.Q);
    Run<V> sum{};
    for (std::int64_t p = rows.begin; p < rows.end; ++p) {
      for (std::int64_t q = columns.begin; q < columns.end; ++q) {
        const std::int64_t window = (in.n * s.P + p) * s.Q + q;
        const std::int64_t r = in.h + s.pad_h - p * s.stride_h;
        const std::int64_t column = in.w + s.pad_w - q * s.stride_w;
        const auto code = static_cast<std::uint32_t>(r * s.S + column);
        const Winners<V> winners = load_winners<V>(argmax + window * s.C + c);
        const Run<V> grad = load<V>(dy + window * s.y_pitch + c);
        for (int i = 0; i < V; ++i) sum[i] += winners[i] == code ? grad[i] : 0.0F;
      }
    }
    store<V>(dx + pixel * s.x_pitch + c, sum, write);
  });
}

// What an average is over: the rows of window p and the columns of window q inside the image.
__device__ __forceinline__ Interval rows_of(const Pool2dShape& s, std::int64_t p) {
  return s.adaptive ? touched(p, s.H, s.P) : inside(p * s.stride_h - s.pad_h, s.R, s.H);
}
__device__ __forceinline__ Interval columns_of(const Pool2dShape& s, std::int64_t q) {
  return s.adaptive ? touched(q, s.W, s.Q) : inside(q * s.stride_w - s.pad_w, s.S, s.W);
}

// 1 / the number of cells that the average of window (p,q) is over.
__device__ __forceinline__ float reciprocal_cells(const Pool2dShape& s, std::int64_t p,
                                                  std::int64_t q) {
  const std::int64_t top = p * s.stride_h - s.pad_h, left = q * s.stride_w - s.pad_w;
  const std::int64_t rows =
      s.count_include_pad ? lesser(top + s.R, s.H + s.pad_h) - top : rows_of(s, p).size();
  const std::int64_t columns =
      s.count_include_pad ? lesser(left + s.S, s.W + s.pad_w) - left : columns_of(s, q).size();
  return 1.0F / static_cast<float>(rows * columns);
}

// y = sum over the window inside the image / cells.
// Least bytes: N * C * (H * W + P * Q) * sizeof(T).  FLOPs: N * P * Q * C * (R * S + 1).
template <class T, int V>
__global__ void avg_pool2d_fwd_kernel(Pool2dShape s, const T* __restrict__ x, T* __restrict__ y) {
  const std::int64_t c = first_channel<V>();
  if (c >= s.C) return;
  for_tile_pixels(s.N, s.P, s.Q, [&](const Pixel& out) {
    const std::int64_t pixel = (out.n * s.P + out.h) * s.Q + out.w;
    const Interval rows = rows_of(s, out.h), columns = columns_of(s, out.w);
    Run<V> sum{};
    for (std::int64_t h = rows.begin; h < rows.end; ++h) {
      for (std::int64_t w = columns.begin; w < columns.end; ++w) {
        const Run<V> run = load<V>(x + ((out.n * s.H + h) * s.W + w) * s.x_pitch + c);
        for (int i = 0; i < V; ++i) sum[i] += run[i];
      }
    }
    const float scale = reciprocal_cells(s, out.h, out.w);
    for (int i = 0; i < V; ++i) sum[i] *= scale;
    store<V>(y + pixel * s.y_pitch + c, sum);
  });
}

// dx[h,w] (=|+=) sum over the windows that contain (h,w) of dy / cells of that window.
// Least bytes: N * C * (H * W + P * Q) * sizeof(T), one more dx when adding.
// FLOPs: 2 * N * P * Q * C * R * S.
template <class T, int V>
__global__ void avg_pool2d_bwd_kernel(Pool2dShape s, const T* __restrict__ dy, T* __restrict__ dx,
                                      Write write) {
  const std::int64_t c = first_channel<V>();
  if (c >= s.C) return;
  for_tile_pixels(s.N, s.H, s.W, [&](const Pixel& in) {
    const std::int64_t pixel = (in.n * s.H + in.h) * s.W + in.w;
    const Interval rows =
        s.adaptive ? touched(in.h, s.P, s.H) : windows_over(in.h, s.R, s.stride_h, s.pad_h, s.P);
    const Interval columns =
        s.adaptive ? touched(in.w, s.Q, s.W) : windows_over(in.w, s.S, s.stride_w, s.pad_w, s.Q);
    Run<V> sum{};
    for (std::int64_t p = rows.begin; p < rows.end; ++p) {
      for (std::int64_t q = columns.begin; q < columns.end; ++q) {
        const Run<V> grad = load<V>(dy + ((in.n * s.P + p) * s.Q + q) * s.y_pitch + c);
        const float scale = reciprocal_cells(s, p, q);
        for (int i = 0; i < V; ++i) sum[i] += grad[i] * scale;
      }
    }
    store<V>(dx + pixel * s.x_pitch + c, sum, write);
  });
}

// The blocks of for_tile_pixels and first_channel<V> for a result [N, height, width, C].
template <int V>
Plan plan_tiles(std::int64_t N, std::int64_t height, std::int64_t width, std::int64_t C) {
  constexpr std::int64_t kMostTiles = 1 << 30;
  const dim3 block = block_for(divide_up(C, V), kRuns<V>);
  const std::int64_t down = divide_up(height, tile_height(static_cast<int>(block.y)));
  const std::int64_t tiles = N * down * divide_up(width, kTileSide);
  const std::int64_t channels = divide_up(divide_up(C, V), block.x);
  return {{static_cast<unsigned>(std::min(tiles, kMostTiles)), static_cast<unsigned>(channels), 1},
          block};
}

void require_codes_fit(const char* kernel, const Pool2dShape& s) {
  if (s.R * s.S <= 255) return;
  throw std::runtime_error(std::string(kernel) + ": a window of " + std::to_string(s.R) + "x" +
                           std::to_string(s.S) +
                           " has more than 255 cells, which a byte cannot number");
}

void max_pool2d_fwd(const KernelContext& ctx, const Pool2dShape& s, const void* x, void* y,
                    std::uint8_t* argmax) {
  require_codes_fit("max_pool2d_fwd", s);
  const Access access{s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y, argmax}};
  dispatch("max_pool2d_fwd", access, [&]<class T, int V>() {
    const Plan plan = plan_tiles<V>(s.N, s.P, s.Q, s.C);
    launch("max_pool2d_fwd", max_pool2d_fwd_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(x), static_cast<T*>(y), argmax);
  });
}

void max_pool2d_bwd(const KernelContext& ctx, const Pool2dShape& s, const void* dy,
                    const std::uint8_t* argmax, void* dx, Write write) {
  require_codes_fit("max_pool2d_bwd", s);
  const Access access{s.dtype, {s.C, s.x_pitch, s.y_pitch}, {dy, argmax, dx}};
  dispatch("max_pool2d_bwd", access, [&]<class T, int V>() {
    const Plan plan = plan_tiles<V>(s.N, s.H, s.W, s.C);
    launch("max_pool2d_bwd", max_pool2d_bwd_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(dy), argmax, static_cast<T*>(dx), write);
  });
}

void avg_pool2d_fwd(const KernelContext& ctx, const Pool2dShape& s, const void* x, void* y) {
  dispatch("avg_pool2d_fwd", {s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}}, [&]<class T, int V>() {
    const Plan plan = plan_tiles<V>(s.N, s.P, s.Q, s.C);
    launch("avg_pool2d_fwd", avg_pool2d_fwd_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void avg_pool2d_bwd(const KernelContext& ctx, const Pool2dShape& s, const void* dy, void* dx,
                    Write write) {
  dispatch("avg_pool2d_bwd", {s.dtype, {s.C, s.x_pitch, s.y_pitch}, {dy, dx}},
           [&]<class T, int V>() {
             const Plan plan = plan_tiles<V>(s.N, s.H, s.W, s.C);
             launch("avg_pool2d_bwd", avg_pool2d_bwd_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
                    static_cast<const T*>(dy), static_cast<T*>(dx), write);
           });
}

}  // namespace

void add_pooling(KernelTable& table) {
  table.max_pool2d_fwd = max_pool2d_fwd;
  table.max_pool2d_bwd = max_pool2d_bwd;
  table.avg_pool2d_fwd = avg_pool2d_fwd;
  table.avg_pool2d_bwd = avg_pool2d_bwd;
}

}  // namespace lamella::cuda
