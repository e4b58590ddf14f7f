// Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray 2016, arXiv 1509.09308) for 3x3
// convolutions of stride 1: a 2x2 tile of outputs from a 4x4 tile of inputs with 16 products per
// pair of channels instead of 36. Its rounding error is near that of the direct sum; the larger
// tiles, which save more, lose a digit or two and are not used.
//
//   y = A^T [(G g G^T) . (B^T d B)] A           and, transposed, for the filter's gradient
//   dg = G^T [(A dy A^T) . (B^T d B)] G
#pragma once

#include "kernels/cpu/own/parallel.h"
#include "kernels/cpu/own/prologue.h"

namespace lamella::cpu::LAMELLA_ISA {

constexpr int kPoints = 16;  // of a transformed tile

// Forward, with filters transformed and packed once or on each call.
std::int64_t winograd_panel_floats(const Conv2dShape& shape);
void winograd_pack(Ctx ctx, const Conv2dShape& shape, const float* w, float* panels);
std::int64_t winograd_scratch(Ctx ctx, const Conv2dShape& shape, const Normalisation& norm);
void winograd_run(Ctx ctx, const Conv2dShape& shape, const Normalisation& norm, const float* x,
                  const float* panels, const float* bias, bool relu, float* scratch, float* y);

void winograd_bwd_data(Ctx ctx, const Conv2dShape& shape, const float* dy, const float* w,
                       float* dx, Write write);
void winograd_bwd_weight(Ctx ctx, const Conv2dShape& shape, const Normalisation& norm,
                         const float* x, const float* dy, float* dw, Write write);

// --- transforms of one tile, a vector of channels at a time ----------------------------------

// B^T d B
inline void transform_input(Vec (&d)[4][4]) {
  LAMELLA_UNROLL for (int i = 0; i < 4; ++i) {
    const Vec a = d[0][i], b = d[1][i], c = d[2][i], e = d[3][i];
    d[0][i] = a - c, d[1][i] = b + c, d[2][i] = c - b, d[3][i] = b - e;
  }
  LAMELLA_UNROLL for (int i = 0; i < 4; ++i) {
    const Vec a = d[i][0], b = d[i][1], c = d[i][2], e = d[i][3];
    d[i][0] = a - c, d[i][1] = b + c, d[i][2] = c - b, d[i][3] = b - e;
  }
}

// A^T m A
inline void transform_output(const Vec (&m)[4][4], Vec (&y)[2][2]) {
  Vec rows[2][4];
  LAMELLA_UNROLL for (int i = 0; i < 4; ++i) {
    rows[0][i] = m[0][i] + m[1][i] + m[2][i];
    rows[1][i] = m[1][i] - m[2][i] - m[3][i];
  }
  LAMELLA_UNROLL for (int i = 0; i < 2; ++i) {
    y[i][0] = rows[i][0] + rows[i][1] + rows[i][2];
    y[i][1] = rows[i][1] - rows[i][2] - rows[i][3];
  }
}

// G g G^T
inline void transform_filter(const Vec (&g)[3][3], Vec (&u)[4][4]) {
  Vec rows[4][3];
  LAMELLA_UNROLL for (int i = 0; i < 3; ++i) {
    const Vec outer = g[0][i] + g[2][i];
    rows[0][i] = g[0][i], rows[3][i] = g[2][i];
    rows[1][i] = 0.5F * (outer + g[1][i]), rows[2][i] = 0.5F * (outer - g[1][i]);
  }
  LAMELLA_UNROLL for (int i = 0; i < 4; ++i) {
    const Vec outer = rows[i][0] + rows[i][2];
    u[i][0] = rows[i][0], u[i][3] = rows[i][2];
    u[i][1] = 0.5F * (outer + rows[i][1]), u[i][2] = 0.5F * (outer - rows[i][1]);
  }
}

// A dy A^T
inline void transform_gradient(const Vec (&dy)[2][2], Vec (&t)[4][4]) {
  Vec rows[4][2];
  LAMELLA_UNROLL for (int i = 0; i < 2; ++i) {
    rows[0][i] = dy[0][i], rows[1][i] = dy[0][i] + dy[1][i];
    rows[2][i] = dy[0][i] - dy[1][i], rows[3][i] = -dy[1][i];
  }
  LAMELLA_UNROLL for (int i = 0; i < 4; ++i) {
    t[i][0] = rows[i][0], t[i][1] = rows[i][0] + rows[i][1];
    t[i][2] = rows[i][0] - rows[i][1], t[i][3] = -rows[i][1];
  }
}

// G^T u G
inline void transform_filter_gradient(const Vec (&u)[4][4], Vec (&g)[3][3]) {
  Vec rows[3][4];
  LAMELLA_UNROLL for (int i = 0; i < 4; ++i) {
    const Vec sum = 0.5F * (u[1][i] + u[2][i]);
    rows[0][i] = u[0][i] + sum, rows[2][i] = sum + u[3][i];
    rows[1][i] = 0.5F * (u[1][i] - u[2][i]);
  }
  LAMELLA_UNROLL for (int i = 0; i < 3; ++i) {
    const Vec sum = 0.5F * (rows[i][1] + rows[i][2]);
    g[i][0] = rows[i][0] + sum, g[i][2] = sum + rows[i][3];
    g[i][1] = 0.5F * (rows[i][1] - rows[i][2]);
  }
}

// --- tiles of an image -----------------------------------------------------------------------

// An image cut into size x size windows, one every two pixels, that may hang over its edge.
struct TileGrid {
  std::int64_t rows, columns;  // tiles per image
  std::int64_t H, W, C, pitch;
  std::int64_t pad_h, pad_w;
  Prologue prologue = {};  // of the image; padding is zero behind it
};

// The transformed tiles of a block: [point][tile][kPatchPitch], channels [c, c + columns).
// Tiles are first .. first + count; `base` is the image data.
void write_input_tiles(const TileGrid& grid, const float* base, std::int64_t first,
                       std::int64_t count, std::int64_t c, std::int64_t columns, float* out);
void write_gradient_tiles(const TileGrid& grid, const float* base, std::int64_t first,
                          std::int64_t count, std::int64_t c, std::int64_t columns, float* out);

}  // namespace lamella::cpu::LAMELLA_ISA
