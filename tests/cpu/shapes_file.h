// The convolutions of a shapes file (tests/shapes): lines `name conv2d_fwd key=value ...`.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "kernels/calls/kernel_line.h"
#include "tests/cpu/conv_cases.h"

namespace lamella::test {

inline Conv2dShape conv_shape(const KernelLine& line) {
  Conv2dShape s;
  s.N = line.get("N"), s.H = line.get("H"), s.W = line.get("W"), s.C = line.get("C");
  s.K = line.get("K"), s.R = line.get("R"), s.S = line.get("S");
  s.stride_h = line.get("stride_h", 1), s.stride_w = line.get("stride_w", 1);
  s.pad_h = line.get("pad_h", 0), s.pad_w = line.get("pad_w", 0);
  s.P = (s.H + 2 * s.pad_h - s.R) / s.stride_h + 1;
  s.Q = (s.W + 2 * s.pad_w - s.S) / s.stride_w + 1;
  s.x_pitch = line.get("x_pitch", s.C), s.y_pitch = line.get("y_pitch", s.K);
  return s;
}

inline std::vector<ConvCase> read_conv_shapes(const std::string& path) {
  std::ifstream file(path);
  std::vector<ConvCase> convolutions;
  for (const auto& [name, line] : read_shapes(file))
    if (line.kernel() == "conv2d_fwd") convolutions.push_back({name, conv_shape(line)});
  return convolutions;
}

}  // namespace lamella::test
