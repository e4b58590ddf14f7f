// Images after decoding: bytes to floats, and one affine map of each image. The work is cut into
// rows of the result.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

// Dense images are rows of so many pixels that a row is whole vectors.
void image_normalise(Ctx ctx, const SliceShape& shape, const std::uint8_t* x, const float* scale,
                     const float* shift, void* y) {
  require_f32("image_normalise", shape.dtype);
  if (shape.pixels == 0 || shape.C == 0) return;
  auto* out = static_cast<float*>(y);
  const bool dense = shape.x_pitch == shape.C && shape.y_pitch == shape.C;
  const std::int64_t width = dense ? shape.C * kLanes : shape.C, count = shape.pixels * shape.C;
  float* scales = scratch_floats(ctx, 2 * width);
  float* shifts = scales + width;
  for (std::int64_t i = 0; i < width; ++i) {
    scales[i] = scale[i % shape.C];
    shifts[i] = shift[i % shape.C];
  }
  const auto rows = [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::uint8_t* from = x + row * (dense ? width : shape.x_pitch);
      float* to = out + row * (dense ? width : shape.y_pitch);
      const std::int64_t n = smaller(width, count - row * width);
      for (std::int64_t i = 0; i < n; ++i)
        to[i] = scales[i] * static_cast<float>(from[i]) + shifts[i];
    }
  };
  const std::int64_t row_count = ceil_div(count, width);
  for_parts(ctx, parts_for(ctx, row_count, width), row_count, rows);
}

// Where a pixel of the result lies: between the centres of the pixels (h, w) and (h + 1, w + 1),
// `down` and `right` of the way.
struct Place {
  std::int64_t h, w;
  float down, right;
};

// What no pixel of the image is near to, places that are not finite included, is at (-1, -1).
inline Place place_of(const ResampleShape& shape, const float* m, std::int64_t p, std::int64_t q) {
  const float x = static_cast<float>(q) + 0.5F, y = static_cast<float>(p) + 0.5F;
  const float w = m[0] * x + m[1] * y + m[2] - 0.5F, h = m[3] * x + m[4] * y + m[5] - 0.5F;
  const bool near = w > -1.0F && w < static_cast<float>(shape.W) && h > -1.0F &&
                    h < static_cast<float>(shape.H);  // false for NaN
  if (!near) return {-1, -1, 0.0F, 0.0F};
  const float top = __builtin_floorf(h), left = __builtin_floorf(w);
  return {static_cast<std::int64_t>(top), static_cast<std::int64_t>(left), h - top, w - left};
}

// One pixel of the result. Weights of one and zero leave the bits of a pixel alone: -0 plus
// anything is that thing.
inline void resample_pixel(const ResampleShape& shape, const float* image, const float* fill,
                           const Place& at, float* y) {
  const float* pixels[4];
  float weights[4];
  int count = 0;
  for (int corner = 0; corner < 4; ++corner) {
    const bool below = corner >= 2, beside = corner % 2 != 0;
    const float weight = (below ? at.down : 1.0F - at.down) * (beside ? at.right : 1.0F - at.right);
    if (weight == 0.0F) continue;
    const std::int64_t h = at.h + below, w = at.w + beside;
    const bool inside = h >= 0 && h < shape.H && w >= 0 && w < shape.W;
    pixels[count] = inside ? image + (h * shape.W + w) * shape.x_pitch : fill;
    weights[count++] = weight;
  }
  for (std::int64_t c = 0; c < shape.C; ++c) {
    float sum = -0.0F;
    for (int i = 0; i < count; ++i)
      sum += weights[i] * (pixels[i] == nullptr ? 0.0F : pixels[i][c]);
    y[c] = sum;
  }
}

void image_resample(Ctx ctx, const ResampleShape& shape, const void* x, const float* matrix,
                    const float* fill, void* y) {
  require_f32("image_resample", shape.dtype);
  const auto* in = static_cast<const float*>(x);
  auto* out = static_cast<float*>(y);
  const auto rows = [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t n = row / shape.P, p = row % shape.P;
      const float* image = in + n * shape.H * shape.W * shape.x_pitch;
      for (std::int64_t q = 0; q < shape.Q; ++q)
        resample_pixel(shape, image, fill, place_of(shape, matrix + n * 6, p, q),
                       out + (row * shape.Q + q) * shape.y_pitch);
    }
  };
  const std::int64_t count = shape.N * shape.P;
  for_parts(ctx, parts_for(ctx, count, shape.Q * shape.C), count, rows);
}

}  // namespace

void add_image(KernelTable& table) {
  table.image_normalise = image_normalise;
  table.image_resample = image_resample;
}

}  // namespace lamella::cpu::LAMELLA_ISA
