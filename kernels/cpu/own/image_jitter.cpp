// Brightness, contrast and saturation of images: the mean grey of every image first, then the
// result. The work is cut into pieces of images, whatever the number of threads, and sums over
// pieces are in double.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

constexpr std::int64_t kPiece = 4096;  // pixels

// To [0, 1]; NaN stays.
inline float clamped(float value) {
  return value < 0.0F ? 0.0F : value > 1.0F ? 1.0F : value;
}

// Between `other` and a value, or beyond it; a factor of 1 leaves the bits alone.
inline float blend(float factor, float value, float other) {
  return factor == 1.0F ? value : clamped(factor * value + (1.0F - factor) * other);
}

inline float grey_weight(std::int64_t c, std::int64_t channels) {
  if (channels != 3) return 1.0F / static_cast<float>(channels);
  return c == 0 ? 0.2989F : c == 1 ? 0.587F : 0.114F;
}

// body(image, piece of it, first pixel, pixels) for all pieces of all images.
template <class Body>
inline void for_pieces(Ctx ctx, const ImageShape& shape, const Body& body) {
  const std::int64_t pieces = ceil_div(shape.pixels, kPiece), count = shape.N * pieces;
  for_parts(ctx, parts_for(ctx, count, smaller(kPiece, shape.pixels) * shape.C), count,
            [&](int, std::int64_t begin, std::int64_t end) {
              for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t first = i % pieces * kPiece;
                body(i / pieces, i % pieces, first, smaller(kPiece, shape.pixels - first));
              }
            });
}

// The sum over some pixels of their grey after brightness.
inline double grey_sum(const ImageShape& shape, float brightness, const float* x,
                       std::int64_t pixels) {
  double sum = 0;
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    const float* from = x + pixel * shape.x_pitch;
    float grey = 0;
    for (std::int64_t c = 0; c < shape.C; ++c)
      grey += grey_weight(c, shape.C) * blend(brightness, from[c], 0.0F);
    sum += grey;
  }
  return sum;
}

// `factors` are those of the image, `mean` its mean grey after brightness.
inline void jitter_pixels(const ImageShape& shape, const float* factors, float mean, const float* x,
                          std::int64_t pixels, float* y) {
  const float saturation = shape.C == 1 ? 1.0F : factors[2];
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    const float* from = x + pixel * shape.x_pitch;
    float* to = y + pixel * shape.y_pitch;
    float grey = 0;
    for (std::int64_t c = 0; c < shape.C; ++c) {
      to[c] = blend(factors[1], blend(factors[0], from[c], 0.0F), mean);
      grey += grey_weight(c, shape.C) * to[c];
    }
    for (std::int64_t c = 0; c < shape.C; ++c) to[c] = blend(saturation, to[c], grey);
  }
}

void image_jitter(Ctx ctx, const ImageShape& shape, const void* x, const float* factors, void* y) {
  require_f32("image_jitter", shape.dtype);
  if (shape.N == 0 || shape.pixels == 0 || shape.C == 0) return;
  const auto* in = static_cast<const float*>(x);
  auto* out = static_cast<float*>(y);
  const std::int64_t pieces = ceil_div(shape.pixels, kPiece);
  auto* sums = reinterpret_cast<double*>(scratch_bytes(ctx, shape.N * pieces * 8));
  for_pieces(ctx, shape, [&](std::int64_t n, std::int64_t piece, std::int64_t first, auto pixels) {
    const float* from = in + (n * shape.pixels + first) * shape.x_pitch;
    const bool wanted = factors[n * 3 + 1] != 1.0F;
    sums[n * pieces + piece] = wanted ? grey_sum(shape, factors[n * 3], from, pixels) : 0;
  });
  for_pieces(ctx, shape, [&](std::int64_t n, std::int64_t, std::int64_t first, auto pixels) {
    double sum = 0;
    for (std::int64_t piece = 0; piece < pieces; ++piece) sum += sums[n * pieces + piece];
    const auto mean = static_cast<float>(sum / static_cast<double>(shape.pixels));
    const std::int64_t pixel = n * shape.pixels + first;
    jitter_pixels(shape, factors + n * 3, mean, in + pixel * shape.x_pitch, pixels,
                  out + pixel * shape.y_pitch);
  });
}

}  // namespace

void add_image_jitter(KernelTable& table) {
  table.image_jitter = image_jitter;
}

}  // namespace lamella::cpu::LAMELLA_ISA
