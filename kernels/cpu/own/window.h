// Pooling windows, clipped to the image, and the windows that cover a pixel.
#pragma once

#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {

struct Range {
  std::int64_t begin, end;
  std::int64_t origin;  // where the unclipped window starts
};

struct Window {
  Range h, w;
};

inline Range clipped(std::int64_t index, std::int64_t stride, std::int64_t pad, std::int64_t size,
                     std::int64_t extent) {
  const std::int64_t origin = index * stride - pad;
  return {larger(origin, 0), smaller(origin + size, extent), origin};
}

// The positions of `extent` that part `index` of `count` equal parts touches: what an adaptive
// window reads; and, with the two exchanged, the windows that read a position.
inline Range touched(std::int64_t index, std::int64_t extent, std::int64_t count) {
  const std::int64_t begin = index * extent / count;
  return {begin, ceil_div((index + 1) * extent, count), begin};
}

inline Window window_at(const Pool2dShape& s, std::int64_t p, std::int64_t q) {
  if (s.adaptive) return {touched(p, s.H, s.P), touched(q, s.W, s.Q)};
  return {clipped(p, s.stride_h, s.pad_h, s.R, s.H), clipped(q, s.stride_w, s.pad_w, s.S, s.W)};
}

// The windows of one direction that cover a position; positions are visited from the first on, so
// that no division is needed.
struct Covering {
  std::int64_t begin = 0, end = 0;

  void move_to(std::int64_t at, std::int64_t stride, std::int64_t pad, std::int64_t size,
               std::int64_t count) {
    while (begin < count && begin * stride + size <= at + pad) ++begin;
    while (end < count && end * stride <= at + pad) ++end;
  }
  void move_to(const Range& windows) { begin = windows.begin, end = windows.end; }
};

// body(n, row, column) over a grid of N x rows x columns pixels of C channels, by rows.
template <class Body>
inline void for_grid(Ctx ctx, std::int64_t N, std::int64_t rows, std::int64_t columns,
                     std::int64_t C, const Body& body) {
  for_parts(ctx, parts_for(ctx, N * rows, columns * C), N * rows,
            [&](int, std::int64_t begin, std::int64_t end) {
              for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t n = i / rows, row = i % rows;
                for (std::int64_t j = 0; j < columns; ++j) body(n, row, j);
              }
            });
}

template <class Body>
inline void for_output_pixels(Ctx ctx, const Pool2dShape& s, const Body& body) {
  for_grid(ctx, s.N, s.P, s.Q, s.C, body);
}

// body(pixel, n, h, w, windows over h, windows over w) for every input pixel.
template <class Body>
inline void for_input_pixels(Ctx ctx, const Pool2dShape& s, const Body& body) {
  const auto rows = [&](int, std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const std::int64_t n = row / s.H, h = row % s.H;
      Covering p, q;
      if (s.adaptive) {
        p.move_to(touched(h, s.P, s.H));
      } else {
        p.move_to(h, s.stride_h, s.pad_h, s.R, s.P);
      }
      for (std::int64_t w = 0; w < s.W; ++w) {
        if (s.adaptive) {
          q.move_to(touched(w, s.Q, s.W));
        } else {
          q.move_to(w, s.stride_w, s.pad_w, s.S, s.Q);
        }
        body(row * s.W + w, n, h, w, p, q);
      }
    }
  };
  for_parts(ctx, parts_for(ctx, s.N * s.H, s.W * s.C), s.N * s.H, rows);
}

}  // namespace lamella::cpu::LAMELLA_ISA
