// Optimiser steps and the average of weights over time: one pass over weights, gradients and state,
// in place, over all tensors of a list; and the norm of the gradients.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/tensor_list.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

// The weights as the step sees them.
const float* weights_of(const UpdateTensor& t) {
  return t.master != nullptr ? t.master : static_cast<const float*>(t.w);
}

template <class Lanes>
void store_weights(const UpdateTensor& t, std::int64_t i, Vec weight, Lanes lanes) {
  if (t.master != nullptr) lanes.store(t.master + i, weight);
  lanes.store(static_cast<float*>(t.w) + i, weight);
}

bool finite(float x) {
  return x - x == 0.0F;
}

// False where the step must change nothing; otherwise `scale` is that of the gradients.
bool gradients_usable(float grad_scale, const float* control, float& scale) {
  scale = control != nullptr ? grad_scale * control[1] : grad_scale;
  return control == nullptr || finite(control[0]);
}

void sgd_step(Ctx ctx, const UpdateList& list, const SgdParams& params, const float* control) {
  require_f32("sgd_step", list.dtype);
  float scale = 1;
  if (!gradients_usable(params.grad_scale, control, scale)) return;
  const auto body = [&](const UpdateTensor& t, std::int64_t from, std::int64_t n, std::int64_t) {
    const auto* grad = static_cast<const float*>(t.g) + from;
    const float* weights = weights_of(t) + from;
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      const Vec weight = lanes.load(weights + i);
      const Vec slope = lanes.load(grad + i) * scale + t.weight_decay * weight;
      const Vec state = params.momentum * lanes.load(t.m + from + i) + slope;
      lanes.store(t.m + from + i, state);
      const Vec step = params.nesterov ? slope + params.momentum * state : state;
      store_weights(t, from + i, weight - params.lr * step, lanes);
    });
  };
  for_chunks(ctx, list, body);
}

void adam_step(Ctx ctx, const UpdateList& list, const AdamParams& params, const float* control) {
  require_f32("adam_step", list.dtype);
  float scale = 1;
  if (!gradients_usable(params.grad_scale, control, scale)) return;
  const float correction1 = control != nullptr ? control[2] : params.correction1;
  const float correction2 = control != nullptr ? control[3] : params.correction2;
  const auto body = [&](const UpdateTensor& t, std::int64_t from, std::int64_t n, std::int64_t) {
    const auto* grad = static_cast<const float*>(t.g) + from;
    const float* weights = weights_of(t) + from;
    const float decay = params.decoupled ? 0.0F : t.weight_decay;
    const float kept = params.decoupled ? 1.0F - params.lr * t.weight_decay : 1.0F;
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      float* m = t.m + from + i;
      float* v = t.v + from + i;
      const Vec weight = lanes.load(weights + i);
      const Vec slope = lanes.load(grad + i) * scale + decay * weight;
      const Vec first = params.beta1 * lanes.load(m) + (1.0F - params.beta1) * slope;
      const Vec second = params.beta2 * lanes.load(v) + (1.0F - params.beta2) * slope * slope;
      lanes.store(m, first);
      lanes.store(v, second);
      const Vec size = square_root(second / correction2) + params.eps;
      store_weights(t, from + i, kept * weight - params.lr * (first / correction1) / size, lanes);
    });
  };
  for_chunks(ctx, list, body);
}

void average_weights(Ctx ctx, const AverageList& list, float decay) {
  require_f32("average_weights", list.dtype);
  const auto body = [&](const AverageTensor& t, std::int64_t from, std::int64_t n, std::int64_t) {
    const auto* weights = static_cast<const float*>(t.w) + from;
    float* average = t.average + from;
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      lanes.store(average + i,
                  decay * lanes.load(average + i) + (1.0F - decay) * lanes.load(weights + i));
    });
  };
  for_chunks(ctx, list, body);
}

// 1 - beta^step, by squaring.
float correction_of(float beta, std::int64_t step) {
  double power = 1, square = static_cast<double>(beta);
  for (; step > 0; step /= 2) {
    if (step % 2 != 0) power *= square;
    square *= square;
  }
  return static_cast<float>(1 - power);
}

// Squares are summed in f32 within a vector of a chunk, chunks in double and in order.
double sum_of_squares(Ctx ctx, const UpdateList& list) {
  const std::int64_t chunks = chunks_of(list);
  auto* sums = reinterpret_cast<double*>(scratch_bytes(ctx, chunks * 8));
  const auto body = [&](const UpdateTensor& t, std::int64_t from, std::int64_t n,
                        std::int64_t chunk) {
    const auto* grad = static_cast<const float*>(t.g) + from;
    Vec sum{};
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      const Vec g = lanes.load(grad + i);
      sum += g * g;
    });
    sums[chunk] = 0;
    for (int i = 0; i < kLanes; ++i) sums[chunk] += static_cast<double>(sum[i]);
  };
  for_chunks(ctx, list, body);
  double total = 0;
  for (std::int64_t i = 0; i < chunks; ++i) total += sums[i];
  return total;
}

void gradient_control(Ctx ctx, const UpdateLists& all, const GradientParams& params, float* skipped,
                      float* control) {
  double squares = 0;
  for (std::int64_t i = 0; i < all.list_count; ++i) {
    require_f32("gradient_control", all.lists[i].dtype);
    squares += sum_of_squares(ctx, all.lists[i]);
  }
  const double root = __builtin_sqrt(squares);
  const auto norm = static_cast<float>(static_cast<double>(params.grad_scale) * root);
  const std::int64_t step = params.step - static_cast<std::int64_t>(skipped[0]);
  const float clip = params.clip_norm / (norm + 1e-6F);
  control[0] = norm;
  control[1] = params.clip_norm > 0 && clip < 1.0F ? clip : 1.0F;
  control[2] = correction_of(params.beta1, step);
  control[3] = correction_of(params.beta2, step);
  if (!finite(norm)) skipped[0] += 1.0F;
}

}  // namespace

void add_optimiser(KernelTable& table) {
  table.gradient_control = gradient_control;
  table.sgd_step = sgd_step;
  table.adam_step = adam_step;
  table.average_weights = average_weights;
}

}  // namespace lamella::cpu::LAMELLA_ISA
