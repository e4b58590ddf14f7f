// The operands of convolution as an implicit product (tile.h): which element of the image, of its
// gradient or of the filters is in row or column `line` at a depth.
//                     rows              columns         depth
//   forward           pixels of y       filters k       (r,s,c)
//   backward data     pixels of x       channels c      (r,s,k), the taps that meet the pixel
//   backward weight   filters k         (r,s,c)         pixels of y
// Assumed, and checked by conv_launch.h: extents, R * S * max(C, K) and the numbers of pixels fit
// 31 bits; tensors may not.
#pragma once

#include "kernels/cuda/product/tile.h"

namespace lamella::cuda {

constexpr int kOutside = -(1 << 30);  // a coordinate that no tap brings back into the image

// An index into [.., middle, inner], taken apart.
struct Split3 {
  int outer, middle, inner;
  __device__ Split3(std::int64_t index, std::int64_t middles, std::int64_t inners) {
    const auto i = static_cast<unsigned>(index), n = static_cast<unsigned>(inners);
    const unsigned rest = i / n;
    inner = static_cast<int>(i % n);
    middle = static_cast<int>(rest % static_cast<unsigned>(middles));
    outer = static_cast<int>(rest / static_cast<unsigned>(middles));
  }
};

__device__ __forceinline__ bool is_inside(int h, int w, std::int64_t height, std::int64_t width) {
  return h >= 0 && h < height && w >= 0 && w < width;
}

// Forward, operand a: x under the window of pixel (n,p,q), at depth (r,s,c).
template <class T, class Fill>
struct Windows {
  using Place = Fill;
  const Conv2dShape& s;
  const T* image[Place::kPasses];
  int top[Place::kPasses], left[Place::kPasses];

  __device__ Windows(const Conv2dShape& shape, std::int64_t first, const T* x) : s(shape) {
    for (int pass = 0; pass < Place::kPasses; ++pass) {
      const std::int64_t row = first + Place::line(pass);
      const bool valid = row < s.N * s.P * s.Q;
      const Split3 out(valid ? row : 0, s.P, s.Q);
      image[pass] = x + out.outer * s.H * s.W * s.x_pitch;
      top[pass] =
          valid ? out.middle * static_cast<int>(s.stride_h) - static_cast<int>(s.pad_h) : kOutside;
      left[pass] = out.inner * static_cast<int>(s.stride_w) - static_cast<int>(s.pad_w);
    }
  }
  __device__ Source<T> operator()(int pass, std::int64_t slab) const {
    const std::int64_t depth = slab + Place::depth(pass);
    const Split3 tap(depth, s.S, s.C);
    const int h = top[pass] + tap.outer, w = left[pass] + tap.middle;
    const bool inside = depth < s.R * s.S * s.C && is_inside(h, w, s.H, s.W);
    const std::int64_t at = (h * s.W + w) * s.x_pitch + tap.inner;
    return {image[pass] + (inside ? at : 0), inside, tap.inner};
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

// Both dimensions of the phase that a block works on.
struct Phase2d {
  Phase h, w;
  __device__ Phase2d(const Conv2dShape& s, int index)
      : h(index / static_cast<int>(s.stride_w), s.H, s.R, s.stride_h, s.pad_h),
        w(index % static_cast<int>(s.stride_w), s.W, s.S, s.stride_w, s.pad_w) {}
  __device__ std::int64_t rows(const Conv2dShape& s) const { return s.N * h.pixels * w.pixels; }
  __device__ std::int64_t depth(const Conv2dShape& s) const { return h.taps * w.taps * s.K; }
};

// Backward data, operand a: dy of the windows over pixel (n,h,w), at depth (tap h, tap w, k).
template <class T, class Fill>
struct WindowGradients {
  using Place = Fill;
  const Conv2dShape& s;
  const Phase2d& phase;
  const T* image[Place::kPasses];
  int p0[Place::kPasses], q0[Place::kPasses];

  __device__ WindowGradients(const Conv2dShape& shape, const Phase2d& phases, std::int64_t first,
                             const T* dy)
      : s(shape), phase(phases) {
    for (int pass = 0; pass < Place::kPasses; ++pass) {
      const std::int64_t row = first + Place::line(pass);
      const bool valid = row < phase.rows(s);
      const Split3 in(valid ? row : 0, phase.h.pixels, phase.w.pixels);
      image[pass] = dy + in.outer * s.P * s.Q * s.y_pitch;
      p0[pass] = valid ? in.middle + phase.h.shift : kOutside;
      q0[pass] = in.inner + phase.w.shift;
    }
  }
  __device__ Source<T> operator()(int pass, std::int64_t slab) const {
    const std::int64_t depth = slab + Place::depth(pass);
    if (depth >= phase.depth(s)) return {image[pass]};
    const Split3 tap(depth, phase.w.taps, s.K);
    const int p = p0[pass] - tap.outer, q = q0[pass] - tap.middle;
    if (!is_inside(p, q, s.P, s.Q)) return {image[pass]};
    return {image[pass] + (p * s.Q + q) * s.y_pitch + tap.inner, true};
  }
};

// Backward data, operand b: w[k,r,s,c] at depth (tap h, tap w, k) and column c.
template <class T, class Fill>
struct PhaseFilters {
  using Place = Fill;
  const Conv2dShape& s;
  const Phase2d& phase;
  std::int64_t first;
  const T* w;
  __device__ Source<T> operator()(int pass, std::int64_t slab) const {
    const std::int64_t c = first + Place::line(pass), depth = slab + Place::depth(pass);
    if (c >= s.C || depth >= phase.depth(s)) return {w};
    const Split3 tap(depth, phase.w.taps, s.K);
    const std::int64_t row = phase.h.r0 + tap.outer * s.stride_h;
    const std::int64_t column = phase.w.r0 + tap.middle * s.stride_w;
    return {w + ((tap.inner * s.R + row) * s.S + column) * s.C + c, true};
  }
};

// Backward data: rows of the product are the pixels of a phase.
struct PhasePixel {
  const Conv2dShape& s;
  const Phase2d& phase;
  __device__ std::int64_t operator()(std::int64_t row) const {
    if (row >= phase.rows(s)) return -1;
    const Split3 in(row, phase.h.pixels, phase.w.pixels);
    const std::int64_t h = in.middle * s.stride_h + phase.h.offset;
    return (in.outer * s.H + h) * s.W + in.inner * s.stride_w + phase.w.offset;
  }
};

// Backward weight, operand b: x under tap (r,s), channel c, of the window of pixel (n,p,q) = depth.
template <class T, class Fill>
struct TapPixels {
  using Place = Fill;
  const Conv2dShape& s;
  const T* x;
  Split3 tap;
  bool valid;

  __device__ TapPixels(const Conv2dShape& shape, std::int64_t first, const T* image)
      : s(shape), x(image), tap(first + Place::line(0), s.S, s.C), valid(tap.outer < s.R) {}
  __device__ Source<T> operator()(int pass, std::int64_t slab) const {
    const std::int64_t pixel = slab + Place::depth(pass);
    const Split3 out(pixel, s.P, s.Q);
    const int h = out.middle * static_cast<int>(s.stride_h) - static_cast<int>(s.pad_h) + tap.outer;
    const int w = out.inner * static_cast<int>(s.stride_w) - static_cast<int>(s.pad_w) + tap.middle;
    const bool inside = valid && pixel < s.N * s.P * s.Q && is_inside(h, w, s.H, s.W);
    const std::int64_t at = ((out.outer * s.H + h) * s.W + w) * s.x_pitch + tap.inner;
    return {x + (inside ? at : 0), inside, tap.inner};
  }
};

// An operand that reads x, with batch norm and ReLU on the way (kernels/shapes.h, BatchNormShape):
// padding is zero after them. scale[c] = gamma / sqrt(var + eps) and shift[c] = beta - mean * scale
// lie one after the other, C of each.
template <class Operand>
struct Normalised : Operand {
  using Place = typename Operand::Place;
  const float* scale;
  std::int64_t C;
  bool relu_in, relu_out;
  // NaN stays NaN, as everywhere.
  __device__ static float relu(float value) { return value < 0.0F ? 0.0F : value; }
  __device__ void compute(Run<Place::kV>& run, int channel) const {
    constexpr int V = Place::kV;
    const Run<V> factor = load<V>(scale + channel), shift = load<V>(scale + C + channel);
    for (int i = 0; i < V; ++i) {
      const float z = relu_in ? relu(run[i]) : run[i];
      const float t = z * factor[i] + shift[i];
      run[i] = relu_out ? relu(t) : t;
    }
  }
};

}  // namespace lamella::cuda
