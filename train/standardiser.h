// Features on one scale: mean 0 and standard deviation 1, as the training samples have them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lamella {

struct Standardiser {
  std::vector<float> mean, scale;  // one of each per feature; scale = 1/std, 0 where it is constant

  // Of x [N,width], N >= 1. The standard deviation is the biased one; sums are double. O(N width).
  static Standardiser of(std::span<const float> x, std::int64_t width);
  // x <- (x - mean) * scale, row by row: what is constant in training is 0 everywhere.
  void apply(std::vector<float>& x) const;
  std::int64_t constants() const;  // features that never change
};

}  // namespace lamella
