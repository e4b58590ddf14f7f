// copy and cast. They, and fill, are the kernels of this backend that know the 16-bit types:
// tensors that come from, or go to, a place that holds them can be had, but are computed with in
// f32.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/half.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

template <class From, class To>
void cast_between(Ctx ctx, const CastShape& shape, const void* x, void* y, Write write) {
  const auto* in = static_cast<const From*>(x);
  auto* out = static_cast<To*>(y);
  const bool dense = shape.x_pitch == shape.C && shape.y_pitch == shape.C;
  const auto body = [&](std::int64_t row, std::int64_t from, std::int64_t n) {
    const From* a = in + row * shape.x_pitch + from;
    To* b = out + row * shape.y_pitch + from;
    if (write == Write::Set)
      for (std::int64_t i = 0; i < n; ++i) narrow(widened(a[i]), b + i);
    else
      for (std::int64_t i = 0; i < n; ++i) narrow(widened(b[i]) + widened(a[i]), b + i);
  };
  for_row_pieces(ctx, shape.pixels, shape.C, dense, body);
}

template <class From>
void cast_from(Ctx ctx, const CastShape& shape, const void* x, void* y, Write write) {
  switch (shape.y_dtype) {
    case DType::F32:
      return cast_between<From, float>(ctx, shape, x, y, write);
    case DType::BF16:
      return cast_between<From, Bf16>(ctx, shape, x, y, write);
    case DType::F16:
      return cast_between<From, F16>(ctx, shape, x, y, write);
    default:
      refuse_cast(static_cast<int>(shape.x_dtype), static_cast<int>(shape.y_dtype));
  }
}

void cast(Ctx ctx, const CastShape& shape, const void* x, void* y, Write write) {
  switch (shape.x_dtype) {
    case DType::F32:
      return cast_from<float>(ctx, shape, x, y, write);
    case DType::BF16:
      return cast_from<Bf16>(ctx, shape, x, y, write);
    case DType::F16:
      return cast_from<F16>(ctx, shape, x, y, write);
    default:
      refuse_cast(static_cast<int>(shape.x_dtype), static_cast<int>(shape.y_dtype));
  }
}

void copy(Ctx ctx, const SliceShape& shape, const void* x, void* y, Write write) {
  const CastShape same{shape.pixels,  shape.C,     shape.x_pitch,
                       shape.y_pitch, shape.dtype, shape.dtype};
  if (shape.dtype == DType::BF16 || shape.dtype == DType::F16) return cast(ctx, same, x, y, write);
  if (write == Write::Set) {
    if (shape.dtype != DType::I32) require_f32("copy", shape.dtype);
    copy_rows(ctx, shape.pixels, shape.C, static_cast<const float*>(x), shape.x_pitch,
              static_cast<float*>(y), shape.y_pitch);
    return;
  }
  require_f32("copy", shape.dtype);
  cast(ctx, same, x, y, write);
}

}  // namespace

void add_cast(KernelTable& table) {
  table.copy = copy;
  table.cast = cast;
}

}  // namespace lamella::cpu::LAMELLA_ISA
