// How the CPU kernels share work: a range is cut into as many contiguous parts as there are
// threads, by a rule that sees only the shape and ctx.threads, so results repeat bit for bit even
// when OpenMP grants fewer threads than were asked for.
#pragma once

#include <cstdint>

#include "kernels/cpu/own/simd.h"
#include "kernels/cpu/refuse.h"
#include "kernels/kernel_table.h"

namespace lamella::cpu::LAMELLA_ISA {

using Ctx = const KernelContext&;

constexpr std::int64_t kElementsPerPart =
    8192;  // below this a second thread costs more than it does

inline void require_f32(const char* kernel, DType dtype) {
  if (dtype != DType::F32) refuse_dtype(kernel, static_cast<int>(dtype));
}

// `bytes` of the workspace; a non-inline-template twin of KernelContext::scratch.
inline char* scratch_bytes(Ctx ctx, std::int64_t bytes) {
  return static_cast<char*>(ctx.workspace(ctx.workspace_owner, static_cast<std::size_t>(bytes)));
}
inline float* scratch_floats(Ctx ctx, std::int64_t count) {
  return reinterpret_cast<float*>(scratch_bytes(ctx, count * 4));
}

// The number of parts for `count` items of `cost` elements each.
inline int parts_for(Ctx ctx, std::int64_t count, std::int64_t cost) {
  const std::int64_t worth = count * larger(cost, 1) / kElementsPerPart;
  const std::int64_t parts = smaller(smaller(ctx.threads, worth), count);
  return static_cast<int>(larger(parts, 1));
}

// body(part, begin, end) for each of `parts` contiguous ranges of [0, count); there may be more
// parts than threads.
template <class Body>
inline void for_parts(Ctx ctx, int parts, std::int64_t count, const Body& body) {
  if (parts == 1) {
    body(0, std::int64_t{0}, count);
    return;
  }
  const int threads = parts < ctx.threads ? parts : ctx.threads;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int part = 0; part < parts; ++part)
    body(part, count * part / parts, count * (part + 1) / parts);
}

// body(row, column, columns) over a matrix of `rows` x `columns`. When every operand is dense the
// matrix is one long row, cut into pieces that fit the first-level cache.
template <class Body>
inline void for_row_pieces(Ctx ctx, std::int64_t rows, std::int64_t columns, bool dense,
                           const Body& body) {
  if (!dense) {
    for_parts(ctx, parts_for(ctx, rows, columns), rows,
              [&](int, std::int64_t begin, std::int64_t end) {
                for (std::int64_t row = begin; row < end; ++row)
                  body(row, std::int64_t{0}, columns);
              });
    return;
  }
  constexpr std::int64_t kPiece = 2048;
  const std::int64_t count = rows * columns, pieces = ceil_div(count, kPiece);
  for_parts(ctx, parts_for(ctx, pieces, kPiece), pieces,
            [&](int, std::int64_t begin, std::int64_t end) {
              for (std::int64_t piece = begin; piece < end; ++piece) {
                const std::int64_t from = piece * kPiece;
                body(std::int64_t{0}, from, smaller(kPiece, count - from));
              }
            });
}

// y = x, between pitches. Bits are moved, so that i32 travels as f32 does.
inline void copy_rows(Ctx ctx, std::int64_t rows, std::int64_t columns, const float* x,
                      std::int64_t x_pitch, float* y, std::int64_t y_pitch) {
  const bool dense = x_pitch == columns && y_pitch == columns;
  const auto body = [&](std::int64_t row, std::int64_t from, std::int64_t n) {
    const float* a = x + row * x_pitch + from;
    float* b = y + row * y_pitch + from;
    for_vectors(n, [&](std::int64_t i, auto lanes) { lanes.store(b + i, lanes.load(a + i)); });
  };
  for_row_pieces(ctx, rows, columns, dense, body);
}

}  // namespace lamella::cpu::LAMELLA_ISA
