// Fully connected layers. The weight matrix is the large operand (51 MB in the handcrafted TEM net)
// and the batch the small one, so all three kernels stream the weights once per block of images,
// along their rows, and keep the images' pieces in cache.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

constexpr int kTile = 4;               // rows of w, and images, multiplied together
constexpr std::int64_t kImages = 32;   // in cache at once
constexpr std::int64_t kPiece = 2048;  // columns of an image in cache at once

// `ways` pointers to consecutive rows; beyond `there` the last row is repeated, its results unused.
inline void point_at_rows(const float* base, std::int64_t pitch, std::int64_t there,
                          const float* (&rows)[kTile]) {
  for (int i = 0; i < kTile; ++i) rows[i] = base + smaller(i, there - 1) * pitch;
}

// products[k][n] = sum of w[k][i] * x[n][i] over `count` columns.
inline void inner_products(const float* const (&w)[kTile], const float* const (&x)[kTile],
                           std::int64_t count, float (&products)[kTile][kTile]) {
  Vec sums[kTile][kTile] = {};
  for_vectors(count, [&](std::int64_t i, auto lanes) {
    Vec values[kTile];
    LAMELLA_UNROLL for (int n = 0; n < kTile; ++n) values[n] = lanes.load(x[n] + i);
    LAMELLA_UNROLL for (int k = 0; k < kTile; ++k) {
      const Vec weights = lanes.load(w[k] + i);
      LAMELLA_UNROLL for (int n = 0; n < kTile; ++n) sums[k][n] += weights * values[n];
    }
  });
  for (int k = 0; k < kTile; ++k)
    for (int n = 0; n < kTile; ++n) products[k][n] = sum_of_lanes(sums[k][n]);
}

// y[n][k] += products over columns [column, column + count), images [n, n + images), rows k.
void add_piece(const LinearShape& shape, const float* x, const float* w, std::int64_t images,
               std::int64_t begin, std::int64_t end, std::int64_t count, float* y) {
  for (std::int64_t k = begin; k < end; k += kTile) {
    const float *w_rows[kTile], *x_rows[kTile];
    point_at_rows(w + k * shape.C, shape.C, end - k, w_rows);
    for (std::int64_t n = 0; n < images; n += kTile) {
      point_at_rows(x + n * shape.x_pitch, shape.x_pitch, images - n, x_rows);
      float products[kTile][kTile];
      inner_products(w_rows, x_rows, count, products);
      for (std::int64_t i = 0; i < smaller(kTile, end - k); ++i)
        for (std::int64_t j = 0; j < smaller(kTile, images - n); ++j)
          y[(n + j) * shape.y_pitch + k + i] += products[i][j];
    }
  }
}

void linear_fwd(Ctx ctx, const LinearShape& shape, const void* x, const void* w, const float* bias,
                void* y) {
  require_f32("linear_fwd", shape.dtype);
  const auto* in = static_cast<const float*>(x);
  const auto* weights = static_cast<const float*>(w);
  auto* out = static_cast<float*>(y);
  const auto body = [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = 0; n < shape.N; ++n)
      for (std::int64_t k = begin; k < end; ++k)
        out[n * shape.y_pitch + k] = bias == nullptr ? 0.0F : bias[k];
    for (std::int64_t n = 0; n < shape.N; n += kImages)
      for (std::int64_t c = 0; c < shape.C; c += kPiece)
        add_piece(shape, in + n * shape.x_pitch + c, weights + c, smaller(kImages, shape.N - n),
                  begin, end, smaller(kPiece, shape.C - c), out + n * shape.y_pitch);
  };
  for_parts(ctx, parts_for(ctx, shape.K, shape.N * shape.C), shape.K, body);
}

// dx[n][0, count) += sum over kTile rows of dy[n][k] * w[k][0, count).
inline void add_weighted_rows(const float* dy, const float* const (&w)[kTile], std::int64_t rows,
                              std::int64_t count, float* dx) {
  Vec factors[kTile];
  for (int k = 0; k < kTile; ++k) factors[k] = splat(k < rows ? dy[k] : 0.0F);
  for_vectors(count, [&](std::int64_t i, auto lanes) {
    Vec sum = lanes.load(dx + i);
    LAMELLA_UNROLL for (int k = 0; k < kTile; ++k) if (k < rows) sum +=
        factors[k] * lanes.load(w[k] + i);
    lanes.store(dx + i, sum);
  });
}

void linear_bwd_data(Ctx ctx, const LinearShape& shape, const void* dy, const void* w, void* dx,
                     Write write) {
  require_f32("linear_bwd_data", shape.dtype);
  const auto* grad_out = static_cast<const float*>(dy);
  const auto* weights = static_cast<const float*>(w);
  auto* grad_in = static_cast<float*>(dx);
  constexpr std::int64_t kColumns = 256;
  const std::int64_t column_tasks = ceil_div(shape.C, kColumns);
  const std::int64_t tasks = column_tasks * ceil_div(shape.N, kImages);
  const auto body = [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first = task / column_tasks * kImages, c = task % column_tasks * kColumns;
      const std::int64_t last = smaller(first + kImages, shape.N);
      const std::int64_t count = smaller(kColumns, shape.C - c);
      if (write == Write::Set)
        for (std::int64_t n = first; n < last; ++n)
          for (std::int64_t i = 0; i < count; ++i) grad_in[n * shape.x_pitch + c + i] = 0.0F;
      for (std::int64_t k = 0; k < shape.K; k += kTile) {
        const float* rows[kTile];
        point_at_rows(weights + k * shape.C + c, shape.C, shape.K - k, rows);
        for (std::int64_t n = first; n < last; ++n)
          add_weighted_rows(grad_out + n * shape.y_pitch + k, rows, shape.K - k, count,
                            grad_in + n * shape.x_pitch + c);
      }
    }
  };
  for_parts(ctx, parts_for(ctx, tasks, shape.K * kColumns), tasks, body);
}

// dw[k][from, from + count) (=|+=) sum over n of dy[n][k] * x[n][...], for up to kTile rows k.
inline void write_weight_rows(const LinearShape& shape, const float* x, const float* dy,
                              std::int64_t rows, std::int64_t count, float* dw, Write write) {
  for_vectors(count, [&](std::int64_t i, auto lanes) {
    Vec sums[kTile] = {};
    for (std::int64_t n = 0; n < shape.N; ++n) {
      const Vec values = lanes.load(x + n * shape.x_pitch + i);
      LAMELLA_UNROLL for (int k = 0; k < kTile; ++k) if (k < rows) sums[k] +=
          splat(dy[n * shape.y_pitch + k]) * values;
    }
    LAMELLA_UNROLL for (int k = 0; k < kTile; ++k) {
      if (k >= rows) break;
      float* out = dw + k * shape.C + i;
      lanes.store(out, write == Write::Add ? lanes.load(out) + sums[k] : sums[k]);
    }
  });
}

void linear_bwd_weight(Ctx ctx, const LinearShape& shape, const void* x, const void* dy, void* dw,
                       Write write) {
  require_f32("linear_bwd_weight", shape.dtype);
  if (shape.N == 0) return;
  const auto* in = static_cast<const float*>(x);
  const auto* grad_out = static_cast<const float*>(dy);
  auto* grad = static_cast<float*>(dw);
  const auto body = [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = 0; c < shape.C; c += kPiece)
      for (std::int64_t k = begin; k < end; k += kTile)
        write_weight_rows(shape, in + c, grad_out + k, end - k, smaller(kPiece, shape.C - c),
                          grad + k * shape.C + c, write);
  };
  for_parts(ctx, parts_for(ctx, shape.K, shape.N * shape.C), shape.K, body);
}

}  // namespace

void add_linear(KernelTable& table) {
  table.linear_fwd = linear_fwd;
  table.linear_bwd_data = linear_bwd_data;
  table.linear_bwd_weight = linear_bwd_weight;
}

}  // namespace lamella::cpu::LAMELLA_ISA
