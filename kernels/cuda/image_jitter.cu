// Brightness, contrast and saturation of images. The contrast of a pixel needs the mean grey of its
// whole image, so that images are read twice: for the sums of grey, one for each block, and to make
// the result. The grey of a pixel, which its saturation needs, is a sum over a few lanes.
#include "kernels/cuda/common.h"
#include "kernels/cuda/families.h"

namespace lamella::cuda {
namespace {

constexpr std::int64_t kMostShares = 64;   // blocks of an image
constexpr std::int64_t kMostImages = 512;  // of a grid; its blocks come back for more
constexpr int kLeastRounds = 16;           // pixels of a thread, where there are so many

// To [0, 1]; NaN stays.
__device__ __forceinline__ float clamped(float value) {
  return value < 0.0F ? 0.0F : value > 1.0F ? 1.0F : value;
}

// Between `other` and a value, or beyond it; a factor of 1 leaves the bits alone.
__device__ __forceinline__ float blend(float factor, float value, float other) {
  return factor == 1.0F ? value : clamped(factor * value + (1.0F - factor) * other);
}

// What channel c weighs in the grey of a pixel.
__device__ __forceinline__ float grey_weight(std::int64_t c, std::int64_t channels) {
  if (channels != 3) return 1.0F / static_cast<float>(channels);
  return c == 0 ? 0.2989F : c == 1 ? 0.587F : 0.114F;
}

// --- the map from threads to an image -----------------------------------------------------------
// `width` neighbouring lanes of a warp, a power of two, take the runs of V channels of a pixel, the
// next ones those of the next pixel. Blocks x share the pixels of an image, blocks y take images.
struct Lanes {
  std::int64_t row, rows;  // this thread's pixel among those of its block
  std::int64_t c, c_step;  // its first channel, and how far its next run is
};

template <int V>
__device__ __forceinline__ Lanes lanes_of(int width) {
  const int thread = static_cast<int>(threadIdx.x);
  return {thread / width, kBlock / width, std::int64_t{thread % width} * V,
          std::int64_t{width} * V};
}

// The sum over the `width` lanes of a pixel; every one of them gets it.
__device__ __forceinline__ float sum_over(int width, float value) {
  for (int distance = width / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

// partials[n][share] = the sum over a block's pixels of the grey after brightness, of the images
// whose contrast is changed.
// x at x_pitch. Accumulation in f32: a thread adds one in `rows * grid.x` pixels, then lanes and
// warps by halves. Deterministic: the order is fixed by the shape.
// Least bytes: N * pixels * C * sizeof(T).  FLOPs: 4 * N * pixels * C.
template <class T, int V>
__global__ void grey_sums_kernel(ImageShape s, int width, const T* __restrict__ x,
                                 const float* __restrict__ factors, float* __restrict__ partials) {
  const Lanes mine = lanes_of<V>(width);
  for (std::int64_t n = blockIdx.y; n < s.N; n += gridDim.y) {
    if (factors[n * 3 + 1] == 1.0F) continue;
    const float brightness = factors[n * 3];
    float sum = 0;
    for (std::int64_t pixel = blockIdx.x * mine.rows + mine.row; pixel < s.pixels;
         pixel += gridDim.x * mine.rows) {
      for (std::int64_t c = mine.c; c < s.C; c += mine.c_step) {
        const Run<V> run = load<V>(x + (n * s.pixels + pixel) * s.x_pitch + c);
        for (int i = 0; i < V; ++i) {
          sum += grey_weight(c + i, s.C) * blend(brightness, run[i], 0.0F);
        }
      }
    }
    sum = block_sum<kBlock>(sum);
    if (threadIdx.x == 0) partials[n * gridDim.x + blockIdx.x] = sum;
  }
}

// y = saturation of contrast of brightness of x, as kernel_table.h says.
// A pixel of at most 32 runs is read once and stays in registers; of more, its runs are read again,
// out of the first-level cache. x at x_pitch, y at y_pitch. Arithmetic in f32. Deterministic.
// Least bytes: 2 * N * pixels * C * sizeof(T).  FLOPs: 15 * N * pixels * C.
template <class T, int V>
__global__ void image_jitter_kernel(ImageShape s, int width, const T* __restrict__ x,
                                    const float* __restrict__ factors,
                                    const float* __restrict__ partials, T* __restrict__ y) {
  const Lanes mine = lanes_of<V>(width);
  for (std::int64_t n = blockIdx.y; n < s.N; n += gridDim.y) {
    const float brightness = factors[n * 3], contrast = factors[n * 3 + 1];
    const float saturation = s.C == 1 ? 1.0F : factors[n * 3 + 2];
    float mean = 0;
    if (contrast != 1.0F) {
      const bool has_one = threadIdx.x < gridDim.x;
      mean = block_sum<kBlock>(has_one ? partials[n * gridDim.x + threadIdx.x] : 0.0F) /
             static_cast<float>(s.pixels);
    }
    // All threads of a warp go round equally often: they meet in sum_over.
    for (std::int64_t first = blockIdx.x * mine.rows; first < s.pixels;
         first += gridDim.x * mine.rows) {
      const std::int64_t pixel = first + mine.row;
      const std::int64_t channels = pixel < s.pixels ? s.C : 0;
      const auto contrasted = [&](std::int64_t c) {
        Run<V> run = load<V>(x + (n * s.pixels + pixel) * s.x_pitch + c);
        for (int i = 0; i < V; ++i) {
          run[i] = blend(contrast, blend(brightness, run[i], 0.0F), mean);
        }
        return run;
      };
      Run<V> run;
      float grey = 0;
      for (std::int64_t c = mine.c; c < channels; c += mine.c_step) {
        run = contrasted(c);
        for (int i = 0; i < V; ++i) grey += grey_weight(c + i, s.C) * run[i];
      }
      grey = sum_over(width, grey);
      for (std::int64_t c = mine.c; c < channels; c += mine.c_step) {
        if (s.C > mine.c_step) run = contrasted(c);
        for (int i = 0; i < V; ++i) run[i] = blend(saturation, run[i], grey);
        store<V>(y + (n * s.pixels + pixel) * s.y_pitch + c, run);
      }
    }
  }
}

void image_jitter(const KernelContext& ctx, const ImageShape& s, const void* x,
                  const float* factors, void* y) {
  if (s.N == 0 || s.pixels == 0 || s.C == 0) return;
  dispatch("image_jitter", {s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}}, [&]<class T, int V>() {
    const unsigned width = block_for(divide_up(s.C, V), kWarpLanes).x;
    const auto shares =
        std::clamp<std::int64_t>(s.pixels * width / (kBlock * kLeastRounds), 1, kMostShares);
    const dim3 grid{static_cast<unsigned>(shares),
                    static_cast<unsigned>(std::min(s.N, kMostImages)), 1};
    const dim3 block{kBlock, 1, 1};
    const auto* from = static_cast<const T*>(x);
    float* partials = ctx.scratch<float>(s.N * shares);
    const int lanes = static_cast<int>(width);
    launch("image_jitter", grey_sums_kernel<T, V>, grid, block, 0, ctx, s, lanes, from, factors,
           partials);
    launch("image_jitter", image_jitter_kernel<T, V>, grid, block, 0, ctx, s, lanes, from, factors,
           partials, static_cast<T*>(y));
  });
}

}  // namespace

void add_image_jitter(KernelTable& table) {
  table.image_jitter = image_jitter;
}

}  // namespace lamella::cuda
