// What happens to the values of an image on their way into a convolution: nothing, or batch norm
// with a ReLU on either side. So the normalised image need not be written and read again.
#pragma once

#include "kernels/cpu/own/simd.h"
#include "kernels/kernel_table.h"

namespace lamella::cpu::LAMELLA_ISA {

struct Prologue {
  const float *mean = nullptr, *scale = nullptr, *beta = nullptr;  // one per channel; null: nothing
  bool relu_in = false, relu_out = false;

  explicit operator bool() const { return scale != nullptr; }

  // Of the values of the channels from c on.
  template <class Lanes>
  Vec apply(Vec x, std::int64_t c, Lanes lanes) const {
    const Vec in = relu_in ? relu(x) : x;
    const Vec y = (in - lanes.load(mean + c)) * lanes.load(scale + c) + lanes.load(beta + c);
    return relu_out ? relu(y) : y;
  }
};

// The batch norm of norm_conv2d, or none.
struct Normalisation {
  const NormConv2dShape* shape = nullptr;
  const float *mean = nullptr, *var = nullptr, *gamma = nullptr, *beta = nullptr;

  std::int64_t floats() const { return shape == nullptr ? 0 : round_up(shape->conv.C, kLanes); }
  // `room` has floats() of them.
  Prologue prologue(float* room) const {
    if (shape == nullptr) return {};
    for (std::int64_t c = 0; c < shape->conv.C; ++c) {
      room[c] = gamma[c] / __builtin_sqrtf(var[c] + shape->eps);
    }
    return {mean, room, beta, shape->relu_in, shape->relu_out};
  }
};

}  // namespace lamella::cpu::LAMELLA_ISA
