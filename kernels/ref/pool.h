// Oracles of pooling, in double.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/shapes.h"

namespace lamella::ref {

// Calls visit(r, s, offset of x's element) for the cells of one window that lie inside the image,
// in row-major order.
template <class Visit>
void for_each_cell(const Pool2dShape& s, std::int64_t n, std::int64_t p, std::int64_t q,
                   std::int64_t c, Visit visit) {
  for (std::int64_t r = 0; r < s.R; ++r) {
    for (std::int64_t t = 0; t < s.S; ++t) {
      const std::int64_t h = p * s.stride_h - s.pad_h + r;
      const std::int64_t w = q * s.stride_w - s.pad_w + t;
      if (h < 0 || h >= s.H || w < 0 || w >= s.W) continue;
      visit(r, t, ((n * s.H + h) * s.W + w) * s.x_pitch + c);
    }
  }
}

// Calls visit(n, p, q, c, offset of y's element) for every output.
template <class Visit>
void for_each_output(const Pool2dShape& s, Visit visit) {
  for (std::int64_t n = 0; n < s.N; ++n)
    for (std::int64_t p = 0; p < s.P; ++p)
      for (std::int64_t q = 0; q < s.Q; ++q)
        for (std::int64_t c = 0; c < s.C; ++c)
          visit(n, p, q, c, ((n * s.P + p) * s.Q + q) * s.y_pitch + c);
}

// The first of equal elements wins, NaN wins over all; argmax (r*S+s, dense) may be null.
inline void max_pool2d_fwd(const Pool2dShape& s, const double* x, double* y, std::uint8_t* argmax) {
  std::int64_t output = 0;
  for_each_output(s, [&](auto n, auto p, auto q, auto c, auto yi) {
    std::int64_t winner = -1;
    for_each_cell(s, n, p, q, c, [&](auto r, auto t, auto xi) {
      const auto wins = [&] { return x[xi] > y[yi] || (std::isnan(x[xi]) && !std::isnan(y[yi])); };
      if (winner >= 0 && !wins()) return;
      y[yi] = x[xi];
      winner = r * s.S + t;
    });
    if (argmax != nullptr) argmax[output++] = static_cast<std::uint8_t>(winner);
  });
}

// The divisor of a window: its cells inside the image, or inside the padded image.
inline double avg_pool2d_divisor(const Pool2dShape& s, std::int64_t p, std::int64_t q) {
  const std::int64_t border_h = s.count_include_pad ? s.pad_h : 0;
  const std::int64_t border_w = s.count_include_pad ? s.pad_w : 0;
  double cells = 0;
  for (std::int64_t r = 0; r < s.R; ++r) {
    for (std::int64_t t = 0; t < s.S; ++t) {
      const std::int64_t h = p * s.stride_h - s.pad_h + r;
      const std::int64_t w = q * s.stride_w - s.pad_w + t;
      if (h >= -border_h && h < s.H + border_h && w >= -border_w && w < s.W + border_w) ++cells;
    }
  }
  return cells;
}

inline void avg_pool2d_fwd(const Pool2dShape& s, const double* x, double* y) {
  for_each_output(s, [&](auto n, auto p, auto q, auto c, auto yi) {
    double sum = 0;
    for_each_cell(s, n, p, q, c, [&](auto, auto, auto xi) { sum += x[xi]; });
    y[yi] = sum / avg_pool2d_divisor(s, p, q);
  });
}

// Adaptive windows: row h belongs to window p where the intervals [h, h + 1) and [p H / P, (p + 1)
// H / P) have a common part; columns likewise.
inline void adaptive_avg_pool2d_fwd(const Pool2dShape& s, const double* x, double* y) {
  const auto meet = [](std::int64_t h, std::int64_t p, std::int64_t H, std::int64_t P) {
    return h * P < (p + 1) * H && p * H < (h + 1) * P;
  };
  for_each_output(s, [&](auto n, auto p, auto q, auto c, auto yi) {
    double sum = 0, cells = 0;
    for (std::int64_t h = 0; h < s.H; ++h) {
      for (std::int64_t w = 0; w < s.W; ++w) {
        if (!meet(h, p, s.H, s.P) || !meet(w, q, s.W, s.Q)) continue;
        sum += x[((n * s.H + h) * s.W + w) * s.x_pitch + c];
        ++cells;
      }
    }
    y[yi] = sum / cells;
  });
}

inline void global_avg_pool_fwd(const GlobalPoolShape& s, const double* x, double* y) {
  for (std::int64_t n = 0; n < s.N; ++n) {
    for (std::int64_t c = 0; c < s.C; ++c) {
      double sum = 0;
      for (std::int64_t i = 0; i < s.pixels; ++i) sum += x[(n * s.pixels + i) * s.x_pitch + c];
      y[n * s.y_pitch + c] = sum / static_cast<double>(s.pixels);
    }
  }
}

}  // namespace lamella::ref
