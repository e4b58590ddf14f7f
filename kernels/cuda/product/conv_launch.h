// Convolutions as their launchers see them: what must hold of the shape, and the products they are.
#pragma once

#include <limits>

#include "kernels/cuda/product/conv_operands.h"
#include "kernels/cuda/product/launch.h"

namespace lamella::cuda {

inline void require_31_bits(const char* kernel, const char* what, std::int64_t value) {
  if (value <= std::numeric_limits<int>::max() / 2) return;
  throw std::runtime_error(std::string(kernel) + ": " + what + " is " + std::to_string(value) +
                           ", this kernel counts it in 31 bits; use fewer or smaller images");
}

inline void check_conv2d(const char* kernel, const Conv2dShape& s) {
  require_31_bits(kernel, "H + 2 pad_h", s.H + 2 * s.pad_h);
  require_31_bits(kernel, "W + 2 pad_w", s.W + 2 * s.pad_w);
  require_31_bits(kernel, "R * S * max(C, K)", s.R * s.S * std::max(s.C, s.K));
  require_31_bits(kernel, "N * H * W", s.N * s.H * s.W);
  require_31_bits(kernel, "N * P * Q", s.N * s.P * s.Q);
}

// The products of conv_operands.h; that of backward data is conv2d.cu's alone.
inline ProductShape forward_product(const char* kernel, const Conv2dShape& s, const float* bias) {
  const std::int64_t pixels = s.N * s.P * s.Q;
  return {kernel, s.dtype, pixels, s.K, s.y_pitch, s.R * s.S * s.C, pixels, 1, bias, Write::Set};
}

inline ProductShape weight_product(const char* kernel, const Conv2dShape& s, Write write) {
  const std::int64_t taps = s.R * s.S * s.C;
  return {kernel, s.dtype, s.K, taps, taps, s.N * s.P * s.Q, s.K, 1, nullptr, write};
}

}  // namespace lamella::cuda
