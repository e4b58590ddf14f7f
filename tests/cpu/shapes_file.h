// The convolutions of a shapes file (tests/shapes): lines `name conv2d_fwd key=value ...`.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "kernels/calls/line_shapes.h"
#include "tests/cpu/conv_cases.h"

namespace lamella::test {

inline std::vector<ConvCase> read_conv_shapes(const std::string& path) {
  std::ifstream file(path);
  std::vector<ConvCase> convolutions;
  for (const auto& [name, line] : read_shapes(file))
    if (line.kernel() == "conv2d_fwd") convolutions.push_back({name, conv2d_shape(line)});
  return convolutions;
}

}  // namespace lamella::test
