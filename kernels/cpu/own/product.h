// The inner loop of convolution: a register tile of kTileRows x kTileColumns sums. One operand is
// broadcast element by element, the other loaded a vector at a time, so each step of the depth
// costs kTileRows broadcasts and two loads for 2 * kTileRows vector multiply-adds.
#pragma once

#include "kernels/cpu/own/simd.h"

namespace lamella::cpu::LAMELLA_ISA {

constexpr int kTileRows = kLanes == 16 ? 14 : 6;  // 28 of 32, or 12 of 16, registers hold sums
constexpr int kTileColumns = 2 * kLanes;

struct TileTarget {
  float* out;
  std::int64_t pitch;  // between rows
  int columns;         // at most kTileColumns
  bool add;            // to what is there
  const float* bias;   // of these columns, or null; not with add
  bool relu = false;   // max(., 0) of the result
};

template <class Lanes>
inline void finish_vector(Vec sum, const TileTarget& target, const float* bias, float* out,
                          Lanes lanes) {
  if (target.add)
    sum += lanes.load(out);
  else if (bias != nullptr)
    sum += lanes.load(bias);
  lanes.store(out, target.relu ? relu(sum) : sum);
}

// out[row][column] (=|+=) sum over k of a[row * kRowStep + k * a_step] * b[k * b_step + column].
template <int kRows, std::int64_t kRowStep>
inline void product_tile(std::int64_t depth, const float* a, std::int64_t a_step, const float* b,
                         std::int64_t b_step, const TileTarget& target) {
  Vec low[kRows], high[kRows];
  LAMELLA_UNROLL for (int row = 0; row < kRows; ++row) low[row] = high[row] = Vec{};
  for (std::int64_t k = 0; k < depth; ++k, a += a_step, b += b_step) {
    const Vec b_low = load(b), b_high = load(b + kLanes);
    LAMELLA_UNROLL for (int row = 0; row < kRows; ++row) {
      const Vec value = splat(a[row * kRowStep]);
      low[row] += value * b_low;
      high[row] += value * b_high;
    }
  }
  float* out = target.out;
  const float* bias_high = target.bias == nullptr ? nullptr : target.bias + kLanes;
  if (target.columns == kTileColumns) {
    LAMELLA_UNROLL for (int row = 0; row < kRows; ++row, out += target.pitch) {
      finish_vector(low[row], target, target.bias, out, AllLanes{});
      finish_vector(high[row], target, bias_high, out + kLanes, AllLanes{});
    }
    return;
  }
  const bool one = target.columns <= kLanes;
  const FirstLanes first{one ? target.columns : kLanes};
  const FirstLanes second{one ? 0 : target.columns - kLanes};
  LAMELLA_UNROLL for (int row = 0; row < kRows; ++row, out += target.pitch) {
    finish_vector(low[row], target, target.bias, out, first);
    if (!one) finish_vector(high[row], target, bias_high, out + kLanes, second);
  }
}

// The same with the number of rows, 1 .. kTileRows, as a run-time value.
template <std::int64_t kRowStep, int kRows = kTileRows>
inline void product_rows(int rows, std::int64_t depth, const float* a, std::int64_t a_step,
                         const float* b, std::int64_t b_step, const TileTarget& target) {
  if constexpr (kRows > 0) {
    if (rows == kRows)
      product_tile<kRows, kRowStep>(depth, a, a_step, b, b_step, target);
    else
      product_rows<kRowStep, kRows - 1>(rows, depth, a, a_step, b, b_step, target);
  }
}

}  // namespace lamella::cpu::LAMELLA_ISA
