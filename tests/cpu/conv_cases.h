// The convolutions that the CPU tests run: every branch of the own kernels and of oneDNN's packing.
#pragma once

#include <string>
#include <vector>

#include "kernels/shapes.h"

namespace lamella::test {

struct ConvCase {
  std::string name;
  Conv2dShape shape;
};

inline Conv2dShape conv_shape(std::int64_t N, std::int64_t H, std::int64_t W, std::int64_t C,
                              std::int64_t K, std::int64_t R, std::int64_t S, std::int64_t stride,
                              std::int64_t pad_h, std::int64_t pad_w) {
  Conv2dShape s;
  s.N = N, s.H = H, s.W = W, s.C = C, s.K = K, s.R = R, s.S = S;
  s.stride_h = s.stride_w = stride;
  s.pad_h = pad_h, s.pad_w = pad_w;
  s.P = (H + 2 * pad_h - R) / stride + 1;
  s.Q = (W + 2 * pad_w - S) / stride + 1;
  s.x_pitch = C, s.y_pitch = K;
  return s;
}

inline Conv2dShape sliced(Conv2dShape s, std::int64_t x_gap, std::int64_t y_gap) {
  s.x_pitch += x_gap, s.y_pitch += y_gap;
  return s;
}

inline std::vector<ConvCase> conv_cases() {
  return {
      {"one_pixel", conv_shape(1, 1, 1, 1, 1, 1, 1, 1, 0, 0)},
      {"stem_3x3", conv_shape(2, 17, 19, 1, 64, 3, 3, 1, 1, 1)},
      {"stem_7x7", conv_shape(2, 16, 16, 1, 32, 7, 7, 1, 3, 3)},
      {"rgb_stem_stride", conv_shape(2, 21, 23, 3, 24, 7, 7, 2, 3, 3)},
      {"k63", conv_shape(2, 16, 17, 64, 63, 3, 3, 1, 1, 1)},
      {"c63", conv_shape(2, 9, 10, 63, 64, 3, 3, 1, 1, 1)},
      {"c64_k64", conv_shape(3, 20, 20, 64, 64, 3, 3, 1, 1, 1)},
      {"valid", conv_shape(2, 8, 9, 40, 33, 3, 3, 1, 0, 0)},
      {"valid_tiny", conv_shape(1, 3, 3, 16, 16, 3, 3, 1, 0, 0)},
      {"wide_7x7", conv_shape(1, 13, 11, 64, 48, 7, 7, 1, 3, 3)},
      {"pointwise", conv_shape(2, 7, 5, 96, 14, 1, 1, 1, 0, 0)},
      {"pointwise_stride", conv_shape(2, 8, 7, 16, 32, 1, 1, 2, 0, 0)},
      {"stride_3x3", conv_shape(2, 15, 14, 20, 35, 3, 3, 2, 1, 1)},
      {"stride_3", conv_shape(1, 14, 17, 5, 7, 2, 2, 3, 0, 0)},
      {"row_1x7", conv_shape(2, 9, 12, 17, 18, 1, 7, 1, 0, 3)},
      {"column_7x1", conv_shape(2, 12, 9, 18, 17, 7, 1, 1, 3, 0)},
      {"wide_pad", conv_shape(1, 5, 6, 8, 9, 3, 3, 1, 2, 2)},
      {"pad_beyond_filter", conv_shape(1, 5, 6, 8, 9, 1, 1, 1, 1, 1)},
      {"slices", sliced(conv_shape(2, 11, 13, 32, 48, 3, 3, 1, 1, 1), 16, 5)},
      {"slice_in", sliced(conv_shape(2, 8, 8, 65, 32, 1, 1, 1, 0, 0), 63, 0)},
      {"slice_out", sliced(conv_shape(2, 9, 9, 24, 63, 3, 3, 1, 1, 1), 0, 1)},
      {"many_pixels", conv_shape(1, 200, 220, 3, 5, 3, 3, 1, 1, 1)},
  };
}

}  // namespace lamella::test
