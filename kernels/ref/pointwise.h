// Oracles of the pointwise kernels, in double: what pointwise kernels of every backend must
// compute.
#pragma once

#include <cstdint>

#include "kernels/philox.h"
#include "kernels/shapes.h"

namespace lamella::ref {

inline void fill(const FlatShape& s, double value, double* y) {
  for (std::int64_t i = 0; i < s.count; ++i) y[i] = value;
}

// Calls map(pixel, channel) for every element of a slice.
template <class Map>
void for_each(std::int64_t pixels, std::int64_t channels, Map map) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    for (std::int64_t c = 0; c < channels; ++c) map(i, c);
  }
}

inline void copy(const SliceShape& s, const double* x, double* y) {
  for_each(s.pixels, s.C, [&](auto i, auto c) { y[i * s.y_pitch + c] = x[i * s.x_pitch + c]; });
}

inline void relu_fwd(const SliceShape& s, const double* x, double* y) {
  for_each(s.pixels, s.C, [&](auto i, auto c) {
    const double value = x[i * s.x_pitch + c];
    y[i * s.y_pitch + c] = value > 0 ? value : 0;
  });
}

inline void add_fwd(const AddShape& s, const double* a, const double* b, double* y) {
  for_each(s.pixels, s.C, [&](auto i, auto c) {
    y[i * s.y_pitch + c] = a[i * s.a_pitch + c] + b[i * s.b_pitch + c];
  });
}

inline void mul(const AddShape& s, const double* a, const double* b, double* y) {
  for_each(s.pixels, s.C, [&](auto i, auto c) {
    y[i * s.y_pitch + c] = a[i * s.a_pitch + c] * b[i * s.b_pitch + c];
  });
}

inline void scale(const SliceShape& s, double alpha, const double* x, double* y) {
  for_each(s.pixels, s.C,
           [&](auto i, auto c) { y[i * s.y_pitch + c] = alpha * x[i * s.x_pitch + c]; });
}

// Doubles hold the values of every type: what is left of a cast is the move.
inline void cast(const CastShape& s, const double* x, double* y) {
  copy({s.pixels, s.C, s.x_pitch, s.y_pitch, DType::F32}, x, y);
}

inline void bias_fwd(const SliceShape& s, const double* x, const double* bias, double* y) {
  for_each(s.pixels, s.C,
           [&](auto i, auto c) { y[i * s.y_pitch + c] = x[i * s.x_pitch + c] + bias[c]; });
}

inline bool dropout_keeps(const DropoutKey& key, std::uint64_t element) {
  return philox(element / 4, key.step, key.layer, key.seed).word[element % 4] < key.keep_below;
}

inline void dropout_fwd(const SliceShape& s, const DropoutKey& key, const double* x, double* y) {
  for_each(s.pixels, s.C, [&](auto i, auto c) {
    const bool keep = dropout_keeps(key, static_cast<std::uint64_t>(i * s.C + c));
    y[i * s.y_pitch + c] = keep ? x[i * s.x_pitch + c] * double{key.scale} : 0;
  });
}

}  // namespace lamella::ref
