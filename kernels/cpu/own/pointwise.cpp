// fill, ReLU, add, mul, scale. All are bound by memory: one read of each input, one write
// (and one read where the output is added to) of the output.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/half.h"
#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

template <class T>
void fill_with(Ctx ctx, std::int64_t count, T value, T* y) {
  for_row_pieces(ctx, 1, count, true, [&](std::int64_t, std::int64_t from, std::int64_t n) {
    for (std::int64_t i = from; i < from + n; ++i) y[i] = value;
  });
}

void fill(Ctx ctx, const FlatShape& shape, float value, void* y) {
  switch (shape.dtype) {
    case DType::F32:
      return fill_with(ctx, shape.count, value, static_cast<float*>(y));
    case DType::BF16:
      return fill_with(ctx, shape.count, narrowed<Bf16>(value), static_cast<Bf16*>(y));
    case DType::F16:
      return fill_with(ctx, shape.count, narrowed<F16>(value), static_cast<F16*>(y));
    case DType::I32:
      return fill_with(ctx, shape.count, static_cast<std::int32_t>(value),
                       static_cast<std::int32_t*>(y));
    case DType::U8:
      return fill_with(ctx, shape.count, static_cast<std::uint8_t>(value),
                       static_cast<std::uint8_t*>(y));
    default:
      refuse_dtype("fill", static_cast<int>(shape.dtype));
  }
}

void relu_fwd(Ctx ctx, const SliceShape& shape, const void* x, void* y) {
  require_f32("relu_fwd", shape.dtype);
  const auto* in = static_cast<const float*>(x);
  auto* out = static_cast<float*>(y);
  const bool dense = shape.x_pitch == shape.C && shape.y_pitch == shape.C;
  const auto body = [&](std::int64_t row, std::int64_t from, std::int64_t n) {
    const float* a = in + row * shape.x_pitch + from;
    float* b = out + row * shape.y_pitch + from;
    for_vectors(n,
                [&](std::int64_t i, auto lanes) { lanes.store(b + i, relu(lanes.load(a + i))); });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, dense, body);
}

void relu_bwd(Ctx ctx, const SliceShape& shape, const void* y, const void* dy,
              std::int64_t dy_pitch, void* dx, Write write) {
  require_f32("relu_bwd", shape.dtype);
  const auto* out = static_cast<const float*>(y);
  const auto* grad_out = static_cast<const float*>(dy);
  auto* grad_in = static_cast<float*>(dx);
  const bool dense = shape.x_pitch == shape.C && shape.y_pitch == shape.C && dy_pitch == shape.C;
  const auto body = [&](std::int64_t row, std::int64_t from, std::int64_t n) {
    const float* t = out + row * shape.y_pitch + from;
    const float* g = grad_out + row * dy_pitch + from;
    float* d = grad_in + row * shape.x_pitch + from;
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      const Vec passed = select(lanes.load(t + i) > 0.0F, lanes.load(g + i), Vec{});
      lanes.store(d + i, write == Write::Add ? lanes.load(d + i) + passed : passed);
    });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, dense, body);
}

void add_fwd(Ctx ctx, const AddShape& shape, const void* a, const void* b, void* y) {
  require_f32("add_fwd", shape.dtype);
  const auto* left = static_cast<const float*>(a);
  const auto* right = static_cast<const float*>(b);
  auto* out = static_cast<float*>(y);
  const bool dense =
      shape.a_pitch == shape.C && shape.b_pitch == shape.C && shape.y_pitch == shape.C;
  const auto body = [&](std::int64_t row, std::int64_t from, std::int64_t n) {
    const float* p = left + row * shape.a_pitch + from;
    const float* q = right + row * shape.b_pitch + from;
    float* t = out + row * shape.y_pitch + from;
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      lanes.store(t + i, lanes.load(p + i) + lanes.load(q + i));
    });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, dense, body);
}

void mul(Ctx ctx, const AddShape& shape, const void* a, const void* b, void* y, Write write) {
  require_f32("mul", shape.dtype);
  const auto* left = static_cast<const float*>(a);
  const auto* right = static_cast<const float*>(b);
  auto* out = static_cast<float*>(y);
  const bool dense =
      shape.a_pitch == shape.C && shape.b_pitch == shape.C && shape.y_pitch == shape.C;
  const auto body = [&](std::int64_t row, std::int64_t from, std::int64_t n) {
    const float* p = left + row * shape.a_pitch + from;
    const float* q = right + row * shape.b_pitch + from;
    float* t = out + row * shape.y_pitch + from;
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      const Vec product = lanes.load(p + i) * lanes.load(q + i);
      lanes.store(t + i, write == Write::Add ? lanes.load(t + i) + product : product);
    });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, dense, body);
}

void scale(Ctx ctx, const SliceShape& shape, float alpha, const void* x, void* y, Write write) {
  require_f32("scale", shape.dtype);
  const auto* in = static_cast<const float*>(x);
  auto* out = static_cast<float*>(y);
  const bool dense = shape.x_pitch == shape.C && shape.y_pitch == shape.C;
  const auto body = [&](std::int64_t row, std::int64_t from, std::int64_t n) {
    const float* a = in + row * shape.x_pitch + from;
    float* b = out + row * shape.y_pitch + from;
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      const Vec scaled = alpha * lanes.load(a + i);
      lanes.store(b + i, write == Write::Add ? lanes.load(b + i) + scaled : scaled);
    });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, dense, body);
}

}  // namespace

void add_pointwise(KernelTable& table) {
  table.fill = fill;
  table.relu_fwd = relu_fwd;
  table.relu_bwd = relu_bwd;
  table.add_fwd = add_fwd;
  table.mul = mul;
  table.scale = scale;
}

}  // namespace lamella::cpu::LAMELLA_ISA
