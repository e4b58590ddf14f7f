// Optimiser steps, in place on the weights and their state.
//
// Common to both: threads take runs of V consecutive elements of the flat arrays; V fills 16 bytes
// where the count and the pointers allow, else V = 1. State and arithmetic are f32. One element is
// one thread's: deterministic.
#include "kernels/cuda/common.h"
#include "kernels/cuda/families.h"

namespace lamella::cuda {
namespace {

// g' = g + weight_decay * w;  m <- momentum * m + g';  d = nesterov ? g' + momentum * m : m;
// w <- w - lr * d.
// Least bytes: count * (3 * sizeof(T) + 8): reads g, w, m, writes w, m.  FLOPs: count * 6
// (8 with nesterov).
template <class T, int V>
__global__ void sgd_step_kernel(std::int64_t count, SgdParams p, const T* __restrict__ g,
                                float* __restrict__ m, T* __restrict__ w) {
  const Loop elements = element_loop<V>();
  for (std::int64_t i = elements.begin; i < count; i += elements.step) {
    const Run<V> grad = load<V>(g + i);
    Run<V> momentum = load<V>(m + i), weight = load<V>(w + i);
    for (int j = 0; j < V; ++j) {
      const float decayed = grad[j] + p.weight_decay * weight[j];
      momentum[j] = p.momentum * momentum[j] + decayed;
      weight[j] -= p.lr * (p.nesterov ? decayed + p.momentum * momentum[j] : momentum[j]);
    }
    store<V>(m + i, momentum);
    store<V>(w + i, weight);
  }
}

// Adam, Kingma & Ba 2015, algorithm 1; weight_decay * w is added to the gradient:
// m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;
// w <- w - lr * (m / correction1) / (sqrt(v / correction2) + eps).
// Least bytes: count * (3 * sizeof(T) + 16): reads g, w, m, v, writes w, m, v.
// FLOPs: count * 16.
template <class T, int V>
__global__ void adam_step_kernel(std::int64_t count, AdamParams p, const T* __restrict__ g,
                                 float* __restrict__ m, float* __restrict__ v, T* __restrict__ w) {
  const Loop elements = element_loop<V>();
  for (std::int64_t i = elements.begin; i < count; i += elements.step) {
    const Run<V> grad = load<V>(g + i);
    Run<V> first = load<V>(m + i), second = load<V>(v + i), weight = load<V>(w + i);
    for (int j = 0; j < V; ++j) {
      const float decayed = grad[j] + p.weight_decay * weight[j];
      first[j] = p.beta1 * first[j] + (1.0F - p.beta1) * decayed;
      second[j] = p.beta2 * second[j] + (1.0F - p.beta2) * decayed * decayed;
      const float step = first[j] / p.correction1;
      weight[j] -= p.lr * step / (sqrtf(second[j] / p.correction2) + p.eps);
    }
    store<V>(m + i, first);
    store<V>(v + i, second);
    store<V>(w + i, weight);
  }
}

void sgd_step(const KernelContext& ctx, const FlatShape& s, const SgdParams& params, const void* g,
              float* m, void* w) {
  dispatch("sgd_step", {s.dtype, {s.count}, {g, m, w}}, [&]<class T, int V>() {
    const Plan plan = plan_flat<V>(s.count);
    launch("sgd_step", sgd_step_kernel<T, V>, plan.grid, plan.block, 0, ctx, s.count, params,
           static_cast<const T*>(g), m, static_cast<T*>(w));
  });
}

void adam_step(const KernelContext& ctx, const FlatShape& s, const AdamParams& params,
               const void* g, float* m, float* v, void* w) {
  dispatch("adam_step", {s.dtype, {s.count}, {g, m, v, w}}, [&]<class T, int V>() {
    const Plan plan = plan_flat<V>(s.count);
    launch("adam_step", adam_step_kernel<T, V>, plan.grid, plan.block, 0, ctx, s.count, params,
           static_cast<const T*>(g), m, v, static_cast<T*>(w));
  });
}

}  // namespace

void add_optimiser(KernelTable& table) {
  table.sgd_step = sgd_step;
  table.adam_step = adam_step;
}

}  // namespace lamella::cuda
