// Pooling windows, clipped to the image, and the windows that cover a pixel.
#pragma once

#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {

struct Range {
  std::int64_t begin, end;
  std::int64_t origin;  // where the unclipped window starts; unused by Covering
};

struct Window {
  Range h, w;
};

inline Range clipped(std::int64_t index, std::int64_t stride, std::int64_t pad, std::int64_t size,
                     std::int64_t extent) {
  const std::int64_t origin = index * stride - pad;
  return {larger(origin, 0), smaller(origin + size, extent), origin};
}

inline Window window_at(const Pool2dShape& s, std::int64_t p, std::int64_t q) {
  return {clipped(p, s.stride_h, s.pad_h, s.R, s.H), clipped(q, s.stride_w, s.pad_w, s.S, s.W)};
}

struct Covering {
  Range p, q;
};

inline Range covering(std::int64_t at, std::int64_t stride, std::int64_t pad, std::int64_t size,
                      std::int64_t count) {
  const std::int64_t last = (at + pad) / stride;
  const std::int64_t first = larger(0, ceil_div(larger(0, at + pad - size + 1), stride));
  return {first, smaller(last + 1, count), 0};
}

inline Covering windows_over(const Pool2dShape& s, std::int64_t h, std::int64_t w) {
  return {covering(h, s.stride_h, s.pad_h, s.R, s.P), covering(w, s.stride_w, s.pad_w, s.S, s.Q)};
}

// body(n, row, column) over a grid of N x rows x columns pixels of C channels, by rows.
template <class Body>
inline void for_grid(Ctx ctx, std::int64_t N, std::int64_t rows, std::int64_t columns,
                     std::int64_t C, const Body& body) {
  for_parts(ctx, parts_for(ctx, N * rows, columns * C), N * rows,
            [&](int, std::int64_t begin, std::int64_t end) {
              for (std::int64_t i = begin; i < end; ++i)
                for (std::int64_t j = 0; j < columns; ++j) body(i / rows, i % rows, j);
            });
}

template <class Body>
inline void for_output_pixels(Ctx ctx, const Pool2dShape& s, const Body& body) {
  for_grid(ctx, s.N, s.P, s.Q, s.C, body);
}
template <class Body>
inline void for_input_pixels(Ctx ctx, const Pool2dShape& s, const Body& body) {
  for_grid(ctx, s.N, s.H, s.W, s.C, body);
}

}  // namespace lamella::cpu::LAMELLA_ISA
