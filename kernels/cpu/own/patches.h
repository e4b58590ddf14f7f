// The rows of an implicit convolution matrix, written out one block at a time: row m holds the
// R x S x C window that output pixel m sees, zeros where it hangs over the edge. Forward reads x
// this way; backward-data reads dy this way, with the zeros of a stride spread between its pixels.
#pragma once

#include "kernels/cpu/own/prologue.h"

namespace lamella::cpu::LAMELLA_ISA {

constexpr std::int64_t kDepth = 192;               // columns written at a time
constexpr std::int64_t kPatchPitch = kDepth + 16;  // off the powers of two: no cache-set conflicts

struct Patches {
  const float* data;
  std::int64_t H, W, C, pitch;      // of data, per image
  std::int64_t R, S;                // window
  std::int64_t P, Q;                // windows per image
  std::int64_t stride_h, stride_w;  // from window to window
  std::int64_t pad_h, pad_w;        // may be negative
  std::int64_t spread_h, spread_w;  // data pixels lie this far apart, zeros between
  Prologue prologue = {};           // of the values; padding and spread are zero behind it
};

inline void copy_floats(const float* from, float* to, std::int64_t count) {
  for_vectors(count,
              [&](std::int64_t i, auto lanes) { lanes.store(to + i, lanes.load(from + i)); });
}
// Values of the channels from c on.
inline void copy_through(const Prologue& prologue, const float* from, std::int64_t c, float* to,
                         std::int64_t count) {
  if (!prologue) return copy_floats(from, to, count);
  for_vectors(count, [&](std::int64_t i, auto lanes) {
    lanes.store(to + i, prologue.apply(lanes.load(from + i), c + i, lanes));
  });
}
inline void zero_floats(float* to, std::int64_t count) {
  for_vectors(count, [&](std::int64_t i, auto lanes) { lanes.store(to + i, Vec{}); });
}

// One window row r, columns [from, to) of its S * C, into out.
inline void write_window_row(const Patches& t, const float* line, std::int64_t w0,
                             std::int64_t from, std::int64_t to, float* out) {
  const bool inside = w0 >= 0 && w0 + t.S <= t.W;
  if (inside && t.spread_w == 1 && t.pitch == t.C && !t.prologue) {
    copy_floats(line + w0 * t.C + from, out, to - from);
    return;
  }
  while (from < to) {
    const std::int64_t s = from / t.C, c = from - s * t.C;
    const std::int64_t count = smaller(t.C - c, to - from);
    const std::int64_t w = (w0 + s) / t.spread_w;
    const bool there = w0 + s >= 0 && w < t.W && w * t.spread_w == w0 + s;
    if (there)
      copy_through(t.prologue, line + w * t.pitch + c, c, out, count);
    else
      zero_floats(out, count);
    from += count;
    out += count;
  }
}

// Rows [row, row + rows) x columns [from, to), to - from <= kDepth, to out[rows][kPatchPitch];
// each row is filled up with zeros to a multiple of `fill_to` columns.
inline void write_patches(const Patches& t, std::int64_t row, std::int64_t rows, std::int64_t from,
                          std::int64_t to, std::int64_t fill_to, float* out) {
  const std::int64_t width = t.S * t.C, columns = to - from;
  const std::int64_t filled = round_up(columns, fill_to);
  for (std::int64_t i = 0; i < rows; ++i, out += kPatchPitch) {
    const std::int64_t m = row + i, q = m % t.Q, p = m / t.Q % t.P, n = m / t.Q / t.P;
    const std::int64_t h0 = p * t.stride_h - t.pad_h, w0 = q * t.stride_w - t.pad_w;
    const float* image = t.data + n * t.H * t.W * t.pitch;
    float* cell = out;
    for (std::int64_t column = from; column < to;) {
      const std::int64_t r = column / width, begin = column - r * width;
      const std::int64_t end = smaller(width, begin + to - column);
      const std::int64_t h = (h0 + r) / t.spread_h;
      if (h0 + r >= 0 && h < t.H && h * t.spread_h == h0 + r)
        write_window_row(t, image + h * t.W * t.pitch, w0, begin, end, cell);
      else
        zero_floats(cell, end - begin);
      cell += end - begin;
      column += end - begin;
    }
    if (filled > columns) zero_floats(cell, filled - columns);
  }
}

}  // namespace lamella::cpu::LAMELLA_ISA
