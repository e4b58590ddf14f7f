// What a trainer does with images once they are decoded: bytes to floats, and flip, crop, turn and
// scale as one affine map. Brightness, contrast and saturation are in image_jitter.cu.
#include <numeric>

#include "kernels/cuda/common.h"
#include "kernels/cuda/families.h"
#include "kernels/cuda/parameters.h"

namespace lamella::cuda {
namespace {

// --- bytes to floats ----------------------------------------------------------------------------
// V neighbouring bytes by one access; p must be a multiple of V.
template <int V>
__device__ __forceinline__ Run<V> load_bytes(const std::uint8_t* __restrict__ p) {
  using Word =
      std::conditional_t<V == 1, std::uint8_t, std::conditional_t<V == 4, unsigned, std::uint64_t>>;
  static_assert(V == 1 || V == 4 || V == 8);
  const Word word = *reinterpret_cast<const Word*>(p);
  Run<V> run;
  for (int i = 0; i < V; ++i) run[i] = static_cast<float>(word >> (8 * i) & 0xFFU);
  return run;
}

// As stage() of parameters.h, of arrays of `period` values for `channels` channels.
template <int V>
__device__ __forceinline__ void stage_repeated(Parameters<2, V>& tile, std::int64_t channels,
                                               std::int64_t period, const float* __restrict__ scale,
                                               const float* __restrict__ shift) {
  const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
  const std::int64_t c = std::int64_t{blockIdx.x} * blockDim.x * V + thread;
  if (thread < blockDim.x * V && c < channels) {
    tile.of[0][thread] = scale[c % period];
    tile.of[1][thread] = shift[c % period];
  }
  __syncthreads();
}

// y = scale[c % period] * x + shift[c % period].
// Threads: x take runs of V elements, whose parameters they keep in registers; y take pixels. V
// elements of y fill 16 bytes where channels, pitches and pointers allow, else V = 1. The 1 or 3
// channels of most images do not; where they are dense, the launcher calls so many neighbouring
// pixels one that its channels do: `period` are those of an image's pixel, and the last pixel may
// have less than all, since there are only `elements`.
// x at x_pitch, y at y_pitch. Arithmetic in f32. One element is one thread's: deterministic.
// Least bytes: pixels * C * (1 + sizeof(T)) + 8 * C.  FLOPs: 2 * pixels * C.
template <class T, int V>
__global__ void image_normalise_kernel(SliceShape s, std::int64_t period, std::int64_t elements,
                                       const std::uint8_t* __restrict__ x,
                                       const float* __restrict__ scale,
                                       const float* __restrict__ shift, T* __restrict__ y) {
  using Tile = Parameters<2, V>;
  SHARED(Tile, tile, [1]);
  stage_repeated<V>(tile[0], s.C, period, scale, shift);
  const std::int64_t c = column<V>();
  if (c >= s.C) return;
  const Run<V> factors = staged(tile[0], 0), offsets = staged(tile[0], 1);
  const Loop pixels = pixel_loop();
  for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
    const std::uint8_t* from = x + pixel * s.x_pitch + c;
    T* to = y + pixel * s.y_pitch + c;
    if constexpr (V > 1) {
      const std::int64_t left = elements - (pixel * s.x_pitch + c);
      if (left < V) {
        UNROLL for (int i = 0; i < V - 1; ++i) {
          if (i >= left) break;
          to[i] = static_cast<T>(factors[i] * static_cast<float>(from[i]) + offsets[i]);
        }
        continue;
      }
    }
    Run<V> run = load_bytes<V>(from);
    for (int i = 0; i < V; ++i) run[i] = factors[i] * run[i] + offsets[i];
    store<V>(to, run);
  }
}

template <class T, int V>
void launch_normalise(const KernelContext& ctx, SliceShape s, const std::uint8_t* x,
                      const float* scale, const float* shift, T* y) {
  const std::int64_t period = s.C, elements = s.pixels * s.x_pitch;
  if (s.C % V != 0) {  // dense
    s.C = s.x_pitch = s.y_pitch = std::lcm(s.C, std::int64_t{V});
    s.pixels = divide_up(elements, s.C);
  }
  // Twice the 8 bytes of a channel: parameters of few channels do not fill their sectors.
  const Plan plan = plan_with_parameters<T, V>(s.pixels, s.C, 16, 1);
  launch("image_normalise", image_normalise_kernel<T, V>, plan.grid, plan.block, 0, ctx, s, period,
         elements, x, scale, shift, y);
}

void image_normalise(const KernelContext& ctx, const SliceShape& s, const std::uint8_t* x,
                     const float* scale, const float* shift, void* y) {
  if (s.pixels == 0 || s.C == 0) return;
  dispatch_type("image_normalise", s.dtype, [&]<class T>() {
    constexpr int kRun = kVectorBytes / static_cast<int>(sizeof(T));
    const bool dense = s.x_pitch == s.C && s.y_pitch == s.C;
    const bool vectorised = allows_runs<std::uint8_t, kRun>({}, x) && allows_runs<T, kRun>({}, y) &&
                            (dense || allows_runs<T, kRun>({s.C, s.x_pitch, s.y_pitch}, y));
    auto* const to = static_cast<T*>(y);
    vectorised ? launch_normalise<T, kRun>(ctx, s, x, scale, shift, to)
               : launch_normalise<T, 1>(ctx, s, x, scale, shift, to);
  });
}

// --- one affine map of each image ---------------------------------------------------------------
// Between the centres of the pixels (h, w) and (h + 1, w + 1): `down` and `right` of the way.
struct Place {
  std::int64_t h, w;
  float down, right;
};

// Where pixel (p, q) of the result lies. What none of the image's pixels is near to, places that
// are not finite included, is at (-1, -1).
__device__ __forceinline__ Place place_of(const ResampleShape& s, const float (&m)[6],
                                          std::int64_t p, std::int64_t q) {
  const float x = static_cast<float>(q) + 0.5F, y = static_cast<float>(p) + 0.5F;
  const float w = m[0] * x + m[1] * y + m[2] - 0.5F, h = m[3] * x + m[4] * y + m[5] - 0.5F;
  const bool near = w > -1.0F && w < static_cast<float>(s.W) && h > -1.0F &&
                    h < static_cast<float>(s.H);  // false for NaN
  if (!near) return {-1, -1, 0.0F, 0.0F};
  const float top = floorf(h), left = floorf(w);
  return {static_cast<std::int64_t>(top), static_cast<std::int64_t>(left), h - top, w - left};
}

// V channels of an image at a place. Weights of one and zero leave the bits of a pixel alone.
template <int V, class T>
__device__ __forceinline__ Run<V> bilinear(const ResampleShape& s, const T* __restrict__ image,
                                           const float* __restrict__ fill, const Place& at,
                                           std::int64_t c) {
  Run<V> sum;
  for (int i = 0; i < V; ++i) sum[i] = -0.0F;  // plus anything is that thing: +0 would turn -0
  UNROLL for (int corner = 0; corner < 4; ++corner) {
    const bool below = corner >= 2, beside = corner % 2 != 0;
    const float weight = (below ? at.down : 1.0F - at.down) * (beside ? at.right : 1.0F - at.right);
    if (weight == 0.0F) continue;
    const std::int64_t h = at.h + below, w = at.w + beside;
    if (h >= 0 && h < s.H && w >= 0 && w < s.W) {
      const Run<V> run = load<V>(image + (h * s.W + w) * s.x_pitch + c);
      for (int i = 0; i < V; ++i) sum[i] += weight * run[i];
    } else {
      for (int i = 0; i < V; ++i) sum[i] += weight * (fill == nullptr ? 0.0F : fill[c + i]);
    }
  }
  return sum;
}

// y[n,p,q] = x at the place where matrix[n] leads from the centre of (p, q), bilinearly; outside
// the image lies fill. A centre is exact in f32 up to 2^22 pixels, and so is where a shift by whole
// pixels, a flip or a quarter turn leads.
// Threads: x take runs of V channels, y neighbouring pixels of a row, z rows: a warp is 32 runs of
// a row, so that what is written lies together, and what is read where rows lead to rows; a block
// is eight rows, so that what turned rows fetch too much of is used by the rows beside them. Blocks
// z take images.
// x at x_pitch, y at y_pitch. Arithmetic in f32. One element is one thread's: deterministic.
// Least bytes: N * C * (what is seen of H * W, and P * Q) * sizeof(T) + 24 * N + 4 * C.
// FLOPs: N * P * Q * (8 * C + 12).
template <class T, int V>
__global__ void image_resample_kernel(ResampleShape s, const T* __restrict__ x,
                                      const float* __restrict__ matrix,
                                      const float* __restrict__ fill, T* __restrict__ y) {
  const std::int64_t first_q = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
  const std::int64_t first_p = std::int64_t{blockIdx.y} * blockDim.z + threadIdx.z;
  SHARED(float, staged_matrix, [6]);  // memory is asked once by the block
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  for (std::int64_t n = blockIdx.z; n < s.N; n += gridDim.z) {
    if (thread < 6) staged_matrix[thread] = matrix[n * 6 + thread];
    __syncthreads();
    float m[6];
    UNROLL for (int i = 0; i < 6; ++i) m[i] = staged_matrix[i];
    __syncthreads();
    const T* image = x + n * s.H * s.W * s.x_pitch;
    for (std::int64_t p = first_p; p < s.P; p += std::int64_t{gridDim.y} * blockDim.z) {
      for (std::int64_t q = first_q; q < s.Q; q += std::int64_t{gridDim.x} * blockDim.y) {
        const Place at = place_of(s, m, p, q);
        T* pixel = y + ((n * s.P + p) * s.Q + q) * s.y_pitch;
        for (std::int64_t c = std::int64_t{threadIdx.x} * V; c < s.C;
             c += std::int64_t{blockDim.x} * V) {
          store<V>(pixel + c, bilinear<V>(s, image, fill, at, c));
        }
      }
    }
  }
}

// A warp's threads x and y, eight times; no more blocks than kMaxBlocks where images are many.
template <int V>
Plan plan_images(const ResampleShape& s) {
  constexpr unsigned kRows = kBlock / kWarpLanes;
  const unsigned width = block_for(divide_up(s.C, V), kWarpLanes).x;
  const dim3 block{width, kWarpLanes / width, kRows};
  const auto across = std::min<std::int64_t>(divide_up(s.Q, block.y), kMaxBlocks);
  const auto images = std::min<std::int64_t>(s.N, kMaxBlocks);
  const auto most =
      std::max<std::int64_t>(1, kMaxBlocks / std::max<std::int64_t>(1, across * images));
  const auto down = std::min(divide_up(s.P, kRows), most);
  return {
      {static_cast<unsigned>(across), static_cast<unsigned>(down), static_cast<unsigned>(images)},
      block};
}

void image_resample(const KernelContext& ctx, const ResampleShape& s, const void* x,
                    const float* matrix, const float* fill, void* y) {
  if (s.C == 0) return;
  dispatch("image_resample", {s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}}, [&]<class T, int V>() {
    const Plan plan = plan_images<V>(s);
    launch("image_resample", image_resample_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(x), matrix, fill, static_cast<T*>(y));
  });
}

}  // namespace

void add_image(KernelTable& table) {
  table.image_normalise = image_normalise;
  table.image_resample = image_resample;
}

}  // namespace lamella::cuda
