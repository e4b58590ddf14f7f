// Sums over pixels of kSums quantities per channel, in two levels: f32 over a block of pixels that
// sits in the second-level cache, double over blocks and parts. Memory is read once, in order.
#pragma once

#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {

constexpr int kStripVectors =
    4;  // vectors of channels summed at a time: a cache line group per row
constexpr std::int64_t kStrip = kStripVectors * kLanes;

inline std::int64_t pixels_per_block(std::int64_t C) {
  return larger(16, smaller(256, 16384 / larger(C, 1)));
}

// Calls body(first channel, lanes, constant number of vectors) over all channels.
template <int kVectors>
struct Strip {
  static constexpr int vectors = kVectors;
};

template <class Body>
inline void for_strips(std::int64_t C, const Body& body) {
  std::int64_t c = 0;
  for (; c + kStrip <= C; c += kStrip) body(c, AllLanes{}, Strip<kStripVectors>{});
  for (; c + kLanes <= C; c += kLanes) body(c, AllLanes{}, Strip<1>{});
  if (c < C) body(c, FirstLanes{static_cast<int>(C - c)}, Strip<1>{});
}

// block(begin, end, sums): adds the sums over pixels [begin, end) to sums[kSums * C] in double.
// finish(c, totals): totals[s] is the sum s of channel c over all pixels.
template <int kSums, class Block, class Finish>
inline void sum_columns(Ctx ctx, std::int64_t pixels, std::int64_t C, double* partial, int parts,
                        const Block& block, const Finish& finish) {
  const std::int64_t step = pixels_per_block(C), blocks = ceil_div(pixels, step);
  for_parts(ctx, parts, blocks, [&](int part, std::int64_t begin, std::int64_t end) {
    double* sums = partial + part * kSums * C;
    for (std::int64_t i = 0; i < kSums * C; ++i) sums[i] = 0.0;
    for (std::int64_t i = begin; i < end; ++i)
      block(i * step, smaller(pixels, (i + 1) * step), sums);
  });
  for (std::int64_t c = 0; c < C; ++c) {
    double totals[kSums] = {};
    for (int part = 0; part < parts; ++part)
      for (int s = 0; s < kSums; ++s) totals[s] += partial[(part * kSums + s) * C + c];
    finish(c, totals);
  }
}

inline int column_parts(Ctx ctx, std::int64_t pixels, std::int64_t C) {
  const std::int64_t blocks = ceil_div(pixels, pixels_per_block(C));
  return parts_for(ctx, blocks, pixels_per_block(C) * C);
}

// Adds the lanes of an f32 block sum to doubles.
template <class Lanes>
inline void add_lanes(double* to, Vec sum, Lanes lanes) {
  float values[kLanes];
  store(values, sum);
  for (int i = 0; i < lanes.size(); ++i) to[i] += static_cast<double>(values[i]);
}

}  // namespace lamella::cpu::LAMELLA_ISA
