// SGD and Adam steps: one pass over weights, gradients and state, in place.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

void sgd_step(Ctx ctx, const FlatShape& shape, const SgdParams& params, const void* g, float* m,
              void* w) {
  require_f32("sgd_step", shape.dtype);
  const auto* grad = static_cast<const float*>(g);
  auto* weights = static_cast<float*>(w);
  const auto body = [&](std::int64_t, std::int64_t from, std::int64_t n) {
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      const Vec weight = lanes.load(weights + from + i);
      const Vec slope = lanes.load(grad + from + i) + params.weight_decay * weight;
      Vec step = slope;
      if (m != nullptr) {  // null: no momentum, no state
        const Vec state = params.momentum * lanes.load(m + from + i) + slope;
        lanes.store(m + from + i, state);
        step = params.nesterov ? slope + params.momentum * state : state;
      }
      lanes.store(weights + from + i, weight - params.lr * step);
    });
  };
  for_row_pieces(ctx, 1, shape.count, true, body);
}

void adam_step(Ctx ctx, const FlatShape& shape, const AdamParams& params, const void* g, float* m,
               float* v, void* w) {
  require_f32("adam_step", shape.dtype);
  const auto* grad = static_cast<const float*>(g);
  auto* weights = static_cast<float*>(w);
  const auto body = [&](std::int64_t, std::int64_t from, std::int64_t n) {
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      const Vec weight = lanes.load(weights + from + i);
      const Vec slope = lanes.load(grad + from + i) + params.weight_decay * weight;
      const Vec first = params.beta1 * lanes.load(m + from + i) + (1.0F - params.beta1) * slope;
      const Vec second =
          params.beta2 * lanes.load(v + from + i) + (1.0F - params.beta2) * slope * slope;
      lanes.store(m + from + i, first);
      lanes.store(v + from + i, second);
      const Vec scale = square_root(second / params.correction2) + params.eps;
      lanes.store(weights + from + i, weight - params.lr * (first / params.correction1) / scale);
    });
  };
  for_row_pieces(ctx, 1, shape.count, true, body);
}

}  // namespace

void add_optimiser(KernelTable& table) {
  table.sgd_step = sgd_step;
  table.adam_step = adam_step;
}

}  // namespace lamella::cpu::LAMELLA_ISA
