// The ladder of linear_fwd: y[n,k] = sum over c of x[n,c] * w[k,c] + bias[k]; both operands run
// along the depth C. All accumulate in f32 and are deterministic. bias may be null.
// Least bytes: (N * C + K * C + N * K) * sizeof(T).  FLOPs: 2 * N * K * C.
#include "bench/ladder/rung.h"
#include "bench/ladder/tiles.h"

namespace lamella::ladder {
namespace {

using cuda::divide_up;
using cuda::kBlock;

__device__ __forceinline__ float bias_of(const float* __restrict__ bias, std::int64_t k) {
  return bias != nullptr ? bias[k] : 0.0F;
}

// A thread makes one element and reads a row of x and a row of w for it. Threads x take rows of x:
// at each step of the depth a warp reads 32 of them, a sector each. Threads: x take n, blocks y k.
template <class T>
__global__ void thread_element_kernel(LinearShape s, const T* __restrict__ x,
                                      const T* __restrict__ w, const float* __restrict__ bias,
                                      T* __restrict__ y) {
  const std::int64_t n = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x, k = blockIdx.y;
  if (n >= s.N) return;
  float sum = bias_of(bias, k);
  for (std::int64_t c = 0; c < s.C; ++c) {
    sum += static_cast<float>(x[n * s.x_pitch + c]) * static_cast<float>(w[k * s.C + c]);
  }
  y[n * s.y_pitch + k] = static_cast<T>(sum);
}

void thread_element(const KernelContext& ctx, const LinearShape& s, const void* x, const void* w,
                    const float* bias, void* y) {
  constexpr unsigned kThreads = 64;
  const dim3 grid{static_cast<unsigned>(divide_up(s.N, kThreads)), static_cast<unsigned>(s.K), 1};
  cuda::dispatch_type("linear_fwd", s.dtype, [&]<class T>() {
    launch("linear_fwd", thread_element_kernel<T>, grid, dim3{kThreads, 1, 1}, 0, ctx, s,
           static_cast<const T*>(x), static_cast<const T*>(w), bias, static_cast<T*>(y));
  });
}

// A warp makes one element: lanes take neighbouring depths, which lie side by side, and add up
// through shuffles. Threads: x is the lane, y takes k, blocks x take n.
template <class T>
__global__ void warp_element_kernel(LinearShape s, const T* __restrict__ x, const T* __restrict__ w,
                                    const float* __restrict__ bias, T* __restrict__ y) {
  const std::int64_t n = blockIdx.x, k = std::int64_t{blockIdx.y} * blockDim.y + threadIdx.y;
  if (k >= s.K) return;
  float sum = 0;
  for (std::int64_t c = threadIdx.x; c < s.C; c += kWarpLanes) {
    sum += static_cast<float>(x[n * s.x_pitch + c]) * static_cast<float>(w[k * s.C + c]);
  }
  sum = warp_sum(sum);
  if (threadIdx.x == 0) y[n * s.y_pitch + k] = static_cast<T>(sum + bias_of(bias, k));
}

void warp_element(const KernelContext& ctx, const LinearShape& s, const void* x, const void* w,
                  const float* bias, void* y) {
  constexpr dim3 kThreads{kWarpLanes, 4, 1};
  const dim3 grid{static_cast<unsigned>(s.N), static_cast<unsigned>(divide_up(s.K, kThreads.y)), 1};
  cuda::dispatch_type("linear_fwd", s.dtype, [&]<class T>() {
    launch("linear_fwd", warp_element_kernel<T>, grid, kThreads, 0, ctx, s,
           static_cast<const T*>(x), static_cast<const T*>(w), bias, static_cast<T*>(y));
  });
}

// A block makes 32 x 32 elements from tiles in shared memory (tiles.h): what is read from memory
// once is used 32 times.
template <class T>
__global__ void shared_tiles_kernel(LinearShape s, const T* __restrict__ x, const T* __restrict__ w,
                                    const float* __restrict__ bias, T* __restrict__ y) {
  multiply_tiles(Matrix<T>{x, s.x_pitch}, Matrix<T>{w, s.C}, s.N, s.K, s.C, bias, s.y_pitch, y);
}

void shared_tiles(const KernelContext& ctx, const LinearShape& s, const void* x, const void* w,
                  const float* bias, void* y) {
  cuda::dispatch_type("linear_fwd", s.dtype, [&]<class T>() {
    launch("linear_fwd", shared_tiles_kernel<T>, tiles_of(s.N, s.K), dim3{kSide, kSide, 1}, 0, ctx,
           s, static_cast<const T*>(x), static_cast<const T*>(w), bias, static_cast<T*>(y));
  });
}

// --- tiles of 128 x 128, of which a thread makes 8 x 8 in registers ------------------------------
constexpr int kTile = 128, kDepth = 8, kMine = 8, kThreadsAcross = kTile / kMine;
static_assert(kThreadsAcross * kThreadsAcross == kBlock);

struct Slab {
  alignas(16) float rows[kDepth][kTile];
};

// Brings kDepth of depth of kTile lines into the slab, a row for each depth. Threads take
// neighbouring runs of V along the depth. `swizzle` exchanges groups of four within a row: else
// threads that hold neighbouring depths of one line would write to one bank.
template <int V, bool swizzle, class T>
__device__ __forceinline__ void bring(Slab& slab, const T* __restrict__ data, std::int64_t pitch,
                                      std::int64_t first_line, std::int64_t lines,
                                      std::int64_t first_depth, std::int64_t depths) {
  constexpr int kLanes = kDepth / V, kLines = kBlock / kLanes;
  const int at = static_cast<int>(threadIdx.x) % kLanes * V;
  for (int i = static_cast<int>(threadIdx.x) / kLanes; i < kTile; i += kLines) {
    const std::int64_t line = first_line + i, depth = first_depth + at;
    cuda::Run<V> run{};
    if (line < lines && depth < depths) run = cuda::load<V>(data + line * pitch + depth);
    for (int j = 0; j < V; ++j) slab.rows[at + j][swizzle ? i ^ (at + j) * 4 : i] = run[j];
  }
}

// y (128 x 128 of it): each thread keeps 8 x 8 sums, so that 16 reads of shared memory serve 64
// products, not 2 serve one. Its 8 rows and 8 columns are neighbours. Reads are single floats:
// columns 8 apart share 4 of the 32 banks. Threads: x % 16 take columns, x / 16 rows.
template <class T>
__global__ void register_tiles_kernel(LinearShape s, const T* __restrict__ x,
                                      const T* __restrict__ w, const float* __restrict__ bias,
                                      T* __restrict__ y) {
  SHARED(Slab, slabs, [2]);
  const std::int64_t first_n = std::int64_t{blockIdx.x} * kTile;
  const std::int64_t first_k = std::int64_t{blockIdx.y} * kTile;
  const int row = static_cast<int>(threadIdx.x) / kThreadsAcross * kMine;
  const int column = static_cast<int>(threadIdx.x) % kThreadsAcross * kMine;
  float sum[kMine][kMine] = {};
  for (std::int64_t depth = 0; depth < s.C; depth += kDepth) {
    bring<1, false>(slabs[0], x, s.x_pitch, first_n, s.N, depth, s.C);
    bring<1, false>(slabs[1], w, s.C, first_k, s.K, depth, s.C);
    __syncthreads();
    for (int d = 0; d < kDepth; ++d) {
      float left[kMine], right[kMine];
      for (int i = 0; i < kMine; ++i) left[i] = slabs[0].rows[d][row + i];
      for (int j = 0; j < kMine; ++j) right[j] = slabs[1].rows[d][column + j];
      for (int i = 0; i < kMine; ++i) {
        for (int j = 0; j < kMine; ++j) sum[i][j] += left[i] * right[j];
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < kMine; ++i) {
    for (int j = 0; j < kMine; ++j) {
      const std::int64_t n = first_n + row + i, k = first_k + column + j;
      if (n < s.N && k < s.K) y[n * s.y_pitch + k] = static_cast<T>(sum[i][j] + bias_of(bias, k));
    }
  }
}

dim3 large_tiles(const LinearShape& s) {
  return {static_cast<unsigned>(divide_up(s.N, kTile)),
          static_cast<unsigned>(divide_up(s.K, kTile)), 1};
}

void register_tiles(const KernelContext& ctx, const LinearShape& s, const void* x, const void* w,
                    const float* bias, void* y) {
  cuda::dispatch_type("linear_fwd", s.dtype, [&]<class T>() {
    launch("linear_fwd", register_tiles_kernel<T>, large_tiles(s), dim3{kBlock, 1, 1}, 0, ctx, s,
           static_cast<const T*>(x), static_cast<const T*>(w), bias, static_cast<T*>(y));
  });
}

// Place i of a thread's eight: two groups of four neighbours, half a tile apart, so that the groups
// of neighbouring threads lie side by side.
__device__ __forceinline__ int place_of(int thread, int i) {
  return i / 4 * (kTile / 2) + thread * 4 + i % 4;
}

// A thread's eight values of depth d, by two accesses of 16 bytes.
__device__ __forceinline__ void eight_of(const Slab& slab, int d, int thread, float (&to)[kMine]) {
  for (int group = 0; group < kMine; group += 4) {
    const cuda::Run<4> run = cuda::load<4>(&slab.rows[d][place_of(thread, group) ^ d * 4]);
    for (int i = 0; i < 4; ++i) to[group + i] = run[i];
  }
}

// As register_tiles, with every access 16 bytes wide where the operands allow it, and no bank
// conflicts: writes to shared memory are swizzled, reads go by groups of four.
template <class T, int V>
__global__ void swizzled_tiles_kernel(LinearShape s, const T* __restrict__ x,
                                      const T* __restrict__ w, const float* __restrict__ bias,
                                      T* __restrict__ y, bool wide) {
  SHARED(Slab, slabs, [2]);
  const std::int64_t first_n = std::int64_t{blockIdx.x} * kTile;
  const std::int64_t first_k = std::int64_t{blockIdx.y} * kTile;
  const int down = static_cast<int>(threadIdx.x) / kThreadsAcross;
  const int across = static_cast<int>(threadIdx.x) % kThreadsAcross;
  float sum[kMine][kMine] = {};
  for (std::int64_t depth = 0; depth < s.C; depth += kDepth) {
    bring<V, true>(slabs[0], x, s.x_pitch, first_n, s.N, depth, s.C);
    bring<V, true>(slabs[1], w, s.C, first_k, s.K, depth, s.C);
    __syncthreads();
    for (int d = 0; d < kDepth; ++d) {
      float left[kMine], right[kMine];
      eight_of(slabs[0], d, down, left);
      eight_of(slabs[1], d, across, right);
      for (int i = 0; i < kMine; ++i) {
        for (int j = 0; j < kMine; ++j) sum[i][j] += left[i] * right[j];
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < kMine; ++i) {
    for (int group = 0; group < kMine; group += 4) {
      const std::int64_t n = first_n + place_of(down, i), k = first_k + place_of(across, group);
      cuda::Run<4> run;
      for (int j = 0; j < 4; ++j) {
        run[j] = sum[i][group + j] + (k + j < s.K ? bias_of(bias, k + j) : 0.0F);
        const bool alone = !wide && n < s.N && k + j < s.K;
        if (alone) y[n * s.y_pitch + k + j] = static_cast<T>(run[j]);
      }
      if (wide && n < s.N && k < s.K) cuda::store<4>(y + n * s.y_pitch + k, run);
    }
  }
}

void swizzled_tiles(const KernelContext& ctx, const LinearShape& s, const void* x, const void* w,
                    const float* bias, void* y) {
  const bool wide = cuda::Access{s.dtype, {s.K, s.y_pitch}, {y}}.vectorised();
  cuda::dispatch("linear_fwd", {s.dtype, {s.C, s.x_pitch}, {x, w}}, [&]<class T, int V>() {
    launch("linear_fwd", swizzled_tiles_kernel<T, V>, large_tiles(s), dim3{kBlock, 1, 1}, 0, ctx, s,
           static_cast<const T*>(x), static_cast<const T*>(w), bias, static_cast<T*>(y), wide);
  });
}

}  // namespace

Ladder product_ladder() {
  return {"product",
          "linear_fwd N=128 C=256 K=128",
          {
              {"thread_element", "one thread makes one element",
               [](KernelTable& table) { table.linear_fwd = thread_element; }},
              {"warp_element", "a warp makes one: coalesced reads",
               [](KernelTable& table) { table.linear_fwd = warp_element; }},
              {"shared_tiles", "tiles of 32 x 32 in shared memory",
               [](KernelTable& table) { table.linear_fwd = shared_tiles; }},
              {"register_tiles", "128 x 128, a thread makes 8 x 8",
               [](KernelTable& table) { table.linear_fwd = register_tiles; }},
              {"swizzled_tiles", "16 bytes in one access, no bank conflicts",
               [](KernelTable& table) { table.linear_fwd = swizzled_tiles; }},
          }};
}

}  // namespace lamella::ladder
