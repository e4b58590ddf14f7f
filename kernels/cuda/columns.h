// Reduction of a matrix of pixels x channels along the pixels, in two stages and without atomics:
// bias gradients, global pooling, and the sums and statistics of batch norm.
//   stage 1: each block reduces a share of the pixels of its channels and writes one partial for
//            each channel;
//   stage 2: one block for each tile of channels merges the partials in a fixed order.
// Threads x take neighbouring runs of V channels, so a warp's access is contiguous; threads y take
// pixels and merge through shuffles and shared memory. The grid depends on the shape alone:
// deterministic.
//
// An accumulator is a struct with `float v[kFields]`, zero by default, and `void merge(const A&)`.
#pragma once

#include "kernels/cuda/common.h"

namespace lamella::cuda {

template <int F>
struct Sums {
  static constexpr int kFields = F;
  float v[F] = {};
  __device__ void merge(const Sums& other) {
    for (int i = 0; i < F; ++i) v[i] += other.v[i];
  }
};

// Count, mean, and sum of squared distances from the mean, of some values of one channel.
struct Moments {
  static constexpr int kFields = 3;
  float v[kFields] = {};
  __device__ float count() const { return v[0]; }
  __device__ float mean() const { return v[1]; }
  __device__ float m2() const { return v[2]; }

  // Welford 1962.
  __device__ void add(float value) {
    const float delta = value - mean();
    v[0] += 1.0F;
    v[1] += delta / count();
    v[2] += delta * (value - mean());
  }
  // Chan, Golub and LeVeque 1979, eq. 2.1.
  __device__ void merge(const Moments& other) {
    if (other.count() == 0.0F) return;
    const float total = count() + other.count();
    const float delta = other.mean() - mean(), share = other.count() / total;
    v[2] += other.m2() + delta * delta * count() * share;
    v[1] += delta * share;
    v[0] = total;
  }
};

// The most channels of a block.
template <int V>
constexpr int kTileChannels = static_cast<int>(kRuns<V>) * V;

// The first channel of this thread's run.
template <int V>
__device__ __forceinline__ std::int64_t column() {
  return (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * V;
}

// Merges the accumulators of the threads y of each run; all threads of the block call it, once in
// a kernel. The result is in threads y = 0.
template <int V, class A>
__device__ __forceinline__ void merge_rows(A (&mine)[V]) {
  constexpr unsigned kWarps = kBlock / kWarpLanes;
  SHARED(float, tile, [A::kFields * V][kWarps][kRuns<V>]);
  for (unsigned distance = blockDim.x; distance < kWarpLanes; distance *= 2) {
    for (int i = 0; i < V; ++i) {
      A other;
      for (int f = 0; f < A::kFields; ++f) {
        other.v[f] = __shfl_down_sync(kAllLanes, mine[i].v[f], distance);
      }
      mine[i].merge(other);
    }
  }
  const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
  const unsigned warp = thread / kWarpLanes, lane = thread % kWarpLanes;
  if (lane < blockDim.x) {
    for (int i = 0; i < V; ++i) {
      for (int f = 0; f < A::kFields; ++f) tile[i * A::kFields + f][warp][lane] = mine[i].v[f];
    }
  }
  __syncthreads();
  if (threadIdx.y != 0) return;
  for (unsigned other_warp = 1; other_warp < kWarps; ++other_warp) {
    for (int i = 0; i < V; ++i) {
      A other;
      for (int f = 0; f < A::kFields; ++f) {
        other.v[f] = tile[i * A::kFields + f][other_warp][lane];
      }
      mine[i].merge(other);
    }
  }
}

// End of stage 1: partials [kFields][gridDim.y][C]. Neighbouring threads write neighbouring
// channels; as the runs lie with threads y = 0, wide ones would be written with gaps.
template <int V, class A>
__device__ __forceinline__ void write_partial(A (&mine)[V], std::int64_t channels,
                                              float* __restrict__ partials) {
  constexpr unsigned kChannels = kRuns<V> * V;
  SHARED(float, merged, [A::kFields][kChannels]);
  merge_rows<V>(mine);
  if (threadIdx.y == 0) {
    for (int f = 0; f < A::kFields; ++f) {
      for (int i = 0; i < V; ++i)
        merged[f][threadIdx.x * V + static_cast<unsigned>(i)] = mine[i].v[f];
    }
  }
  __syncthreads();
  const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x, width = blockDim.x * V;
  for (unsigned i = thread; i < A::kFields * width; i += kBlock) {
    const std::int64_t channel = std::int64_t{blockIdx.x} * width + i % width;
    const std::int64_t row = std::int64_t{gridDim.y} * (i / width) + blockIdx.y;
    if (channel < channels) partials[row * channels + channel] = merged[i / width][i % width];
  }
}

// Stage 2: merges `count` partials of this thread's channel; the result is in threads y = 0.
template <class A>
__device__ __forceinline__ A merge_partials(const float* __restrict__ partials, int count,
                                            std::int64_t channels) {
  A sum[1];
  if (column<1>() < channels) {
    for (int row = static_cast<int>(threadIdx.y); row < count;
         row += static_cast<int>(blockDim.y)) {
      A part;
      for (int f = 0; f < A::kFields; ++f) {
        part.v[f] = partials[(std::int64_t{count} * f + row) * channels + column<1>()];
      }
      sum[0].merge(part);
    }
  }
  merge_rows<1>(sum);
  return sum[0];
}

// Stage 1 runs on `grid` with `block`, stage 2 on `merge_grid` with `merge_block`; partials are
// kFields * grid.y * C floats.
struct ColumnPlan {
  dim3 grid, block, merge_grid, merge_block;
  std::int64_t partials(int fields, std::int64_t channels) const {
    return std::int64_t{fields} * grid.y * channels;
  }
};

// Blocks of `runs` threads x at most, with at least `least_pixels` pixels for each, and no more
// than fill a large GPU a few times over.
template <int V>
Plan plan_tiles(std::int64_t pixels, std::int64_t channels, std::int64_t least_pixels) {
  constexpr std::int64_t kMostTiles = 1056;  // 8 for each multiprocessor of an H100
  const std::int64_t runs = divide_up(channels, V);
  const dim3 block = block_for(runs, kRuns<V>);
  const std::int64_t tiles = divide_up(runs, block.x);
  const std::int64_t most =
      std::max<std::int64_t>(1, kMostTiles / std::max<std::int64_t>(tiles, 1));
  const std::int64_t shares = std::clamp<std::int64_t>(pixels / least_pixels, 1, most);
  return {{static_cast<unsigned>(tiles), static_cast<unsigned>(shares), 1}, block};
}

// A block's share is so large that its partials, written once and read once, add little to what it
// reads: 2 * 4 * kFields bytes for a channel beside sizeof(T) for each of its pixels.
template <class T, int V, class A>
ColumnPlan plan_columns(std::int64_t pixels, std::int64_t channels) {
  constexpr std::int64_t kLeast = 2 * 4 * A::kFields * 40 / static_cast<std::int64_t>(sizeof(T));
  const Plan first = plan_tiles<V>(pixels, channels, kLeast);
  const Plan second = plan_tiles<1>(1, channels, 1);
  return {first.grid, first.block, second.grid, second.block};
}

}  // namespace lamella::cuda
