// What the backward passes of batch norm share. t is computed by the very expression of the forward
// pass, so that the ReLU mask is the forward's to the last bit.
#pragma once

#include "kernels/cpu/own/column_sums.h"

namespace lamella::cpu::LAMELLA_ISA {

// Per-channel factors of the backward pass, C floats each.
struct Factors {
  const float *mean, *scale, *beta;  // t = (z - mean) * scale + beta
  const float *offset, *slope;       // dz = scale * (g - offset - (z - mean) * slope)
};

struct Backward {
  const BatchNormShape& shape;
  const float *x, *dy;

  // g and z - mean of one vector.
  template <class Lanes>
  void read(std::int64_t pixel, std::int64_t c, Lanes lanes, Vec mean, Vec scale, Vec beta, Vec& g,
            Vec& centred) const {
    const Vec value = lanes.load(x + pixel * shape.x_pitch + c);
    centred = (shape.relu_in ? relu(value) : value) - mean;
    g = lanes.load(dy + pixel * shape.y_pitch + c);
    if (shape.relu_out) g = select(centred * scale + beta <= 0.0F, Vec{}, g);
  }

  // Adds the sums of g and g * (z - mean) over pixels [begin, end) of a strip to sums[c] and
  // sums[C + c], and calls each(pixel, c, lanes, scale * g) on the way.
  template <class Lanes, int kVectors, class Each>
  void add_block(std::int64_t begin, std::int64_t end, std::int64_t c, Lanes lanes, Strip<kVectors>,
                 const Factors& factors, double* sums, const Each& each) const {
    Vec mean[kVectors], scale[kVectors], beta[kVectors], first[kVectors] = {},
                                                         second[kVectors] = {};
    for (int v = 0; v < kVectors; ++v) {
      mean[v] = lanes.load(factors.mean + c + v * kLanes);
      scale[v] = lanes.load(factors.scale + c + v * kLanes);
      beta[v] = lanes.load(factors.beta + c + v * kLanes);
    }
    for (std::int64_t pixel = begin; pixel < end; ++pixel)
      LAMELLA_UNROLL for (int v = 0; v < kVectors; ++v) {
        Vec g, centred;
        read(pixel, c + v * kLanes, lanes, mean[v], scale[v], beta[v], g, centred);
        first[v] += g;
        second[v] += g * centred;
        each(pixel, c + v * kLanes, lanes, scale[v] * g);
      }
    for (int v = 0; v < kVectors; ++v) {
      add_lanes(sums + c + v * kLanes, first[v], lanes);
      add_lanes(sums + shape.C + c + v * kLanes, second[v], lanes);
    }
  }

  template <class Lanes>
  Vec gradient(std::int64_t pixel, std::int64_t c, Lanes lanes, const Factors& factors) const {
    Vec g, centred;
    const Vec scale = lanes.load(factors.scale + c);
    read(pixel, c, lanes, lanes.load(factors.mean + c), scale, lanes.load(factors.beta + c), g,
         centred);
    if (shape.training)
      g = g - lanes.load(factors.offset + c) - centred * lanes.load(factors.slope + c);
    const Vec dz = scale * g;
    if (!shape.relu_in) return dz;
    return select(lanes.load(x + pixel * shape.x_pitch + c) <= 0.0F, Vec{}, dz);
  }
};

inline float inverse_std(const BatchNormShape& shape, const float* var, std::int64_t c) {
  return 1.0F / __builtin_sqrtf(var[c] + shape.eps);
}

inline void write_scale(const BatchNormShape& shape, const float* var, const float* gamma,
                        float* scale) {
  for (std::int64_t c = 0; c < shape.C; ++c)
    scale[c] = gamma[c] / __builtin_sqrtf(var[c] + shape.eps);
}

}  // namespace lamella::cpu::LAMELLA_ISA
