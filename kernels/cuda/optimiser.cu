// Optimiser steps and the average of weights over time, over all tensors of a list at once.
//
// Common to all: a block takes a chunk of one tensor (tensor_list.h), a thread runs of four
// elements: 16 bytes of f32 beside 8 of a 16-bit type, so that every access of a warp is whole
// sectors. Tensors whose arrays are not all aligned to 16 bytes are done by single elements. State
// and arithmetic are f32. One element is one thread's: deterministic.
#include "kernels/cuda/families.h"
#include "kernels/cuda/tensor_list.h"

namespace lamella::cuda {
namespace {

constexpr int kRun = 4;

struct UpdateEntry {
  const void* g;
  void* w;
  float* master;
  float* m;
  float* v;
  std::uint32_t count;
  float weight_decay;
};

struct AverageEntry {
  const void* w;
  float* average;
  std::int64_t count;
};

using UpdateBatch = TensorBatch<UpdateEntry>;
using AverageBatch = TensorBatch<AverageEntry>;

static_assert(sizeof(UpdateBatch) + kOtherParameters <= kParameterBytes);
static_assert(sizeof(AverageBatch) + kOtherParameters <= kParameterBytes);
static_assert(sizeof(AdamParams) + sizeof(void*) <= kOtherParameters);
static_assert(UpdateBatch::kCapacity >= 604, "DenseNet-201 takes one launch");

// The weights as the step sees them, and as it leaves them: in the master where there is one.
template <class T, int V>
__device__ __forceinline__ Run<V> load_weights(const UpdateEntry& t, std::int64_t i) {
  if (t.master != nullptr) return load_narrow<V>(t.master + i);
  return load_narrow<V>(static_cast<const T*>(t.w) + i);
}

template <class T, int V>
__device__ __forceinline__ void store_weights(const UpdateEntry& t, std::int64_t i,
                                              const Run<V>& weight) {
  if (t.master != nullptr) store_narrow<V>(t.master + i, weight);
  store_narrow<V>(static_cast<T*>(t.w) + i, weight);
}

// What a step takes from the control of gradient_control, or, without one, from its params.
struct Gradients {
  bool usable;
  float scale;
};

__device__ __forceinline__ Gradients gradients_of(float grad_scale,
                                                  const float* __restrict__ control) {
  if (control == nullptr) return {true, grad_scale};
  return {fabsf(control[0]) < INFINITY, grad_scale * control[1]};
}

// d = scale * g + weight_decay * w;  m <- momentum * m + d;
// w <- w - lr * (nesterov ? d + momentum * m : m).
// Least bytes: count * (3 * sizeof(T) + 8): reads g, w, m, writes w, m; with a master
// count * (2 * sizeof(T) + 16): reads g, master, m, writes w, master, m.  FLOPs: count * 7 (9 with
// nesterov).
template <class T>
__global__ void sgd_step_kernel(GRID_CONSTANT(UpdateBatch) batch, SgdParams p,
                                const float* __restrict__ control) {
  const Gradients gradients = gradients_of(p.grad_scale, control);
  if (!gradients.usable) return;
  const Chunk chunk = chunk_of_block(batch);
  const UpdateEntry t = batch.entries[chunk.tensor];
  for_runs<kRun>(chunk, all_aligned(t.g, t.w, t.master, t.m), [&]<int V>(std::int64_t i) {
    const Run<V> grad = load_narrow<V>(static_cast<const T*>(t.g) + i);
    Run<V> momentum = load_narrow<V>(t.m + i), weight = load_weights<T, V>(t, i);
    for (int j = 0; j < V; ++j) {
      const float d = gradients.scale * grad[j] + t.weight_decay * weight[j];
      momentum[j] = p.momentum * momentum[j] + d;
      weight[j] -= p.lr * (p.nesterov ? d + p.momentum * momentum[j] : momentum[j]);
    }
    store_narrow<V>(t.m + i, momentum);
    store_weights<T, V>(t, i, weight);
  });
}

// Adam, Kingma & Ba 2015, algorithm 1, with d = scale * g + weight_decay * w; decoupled: without
// weight_decay in d, after w <- w - lr * weight_decay * w (Loshchilov & Hutter 2019).
// m <- b1 m + (1-b1) d;  v <- b2 v + (1-b2) d^2;
// w <- w - lr * (m / correction1) / (sqrt(v / correction2) + eps).
// Least bytes: count * (3 * sizeof(T) + 16): reads g, w, m, v, writes w, m, v; with a master
// count * (2 * sizeof(T) + 24).  FLOPs: count * 17.
template <class T>
__global__ void adam_step_kernel(GRID_CONSTANT(UpdateBatch) batch, AdamParams p,
                                 const float* __restrict__ control) {
  const Gradients gradients = gradients_of(p.grad_scale, control);
  if (!gradients.usable) return;
  if (control != nullptr) p.correction1 = control[2], p.correction2 = control[3];
  const Chunk chunk = chunk_of_block(batch);
  const UpdateEntry t = batch.entries[chunk.tensor];
  const float decay = p.decoupled ? 0.0F : t.weight_decay;
  const float kept = p.decoupled ? 1.0F - p.lr * t.weight_decay : 1.0F;
  for_runs<kRun>(chunk, all_aligned(t.g, t.w, t.master, t.m, t.v), [&]<int V>(std::int64_t i) {
    const Run<V> grad = load_narrow<V>(static_cast<const T*>(t.g) + i);
    Run<V> first = load_narrow<V>(t.m + i), second = load_narrow<V>(t.v + i);
    Run<V> weight = load_weights<T, V>(t, i);
    for (int j = 0; j < V; ++j) {
      const float d = gradients.scale * grad[j] + decay * weight[j];
      first[j] = p.beta1 * first[j] + (1.0F - p.beta1) * d;
      second[j] = p.beta2 * second[j] + (1.0F - p.beta2) * d * d;
      const float step = first[j] / p.correction1;
      weight[j] = kept * weight[j] - p.lr * step / (sqrtf(second[j] / p.correction2) + p.eps);
    }
    store_narrow<V>(t.m + i, first);
    store_narrow<V>(t.v + i, second);
    store_weights<T, V>(t, i, weight);
  });
}

// average <- decay * average + (1 - decay) * w.
// Least bytes: count * (sizeof(T) + 8).  FLOPs: count * 3.
template <class T>
__global__ void average_weights_kernel(GRID_CONSTANT(AverageBatch) batch, float decay) {
  const Chunk chunk = chunk_of_block(batch);
  const AverageEntry t = batch.entries[chunk.tensor];
  for_runs<kRun>(chunk, all_aligned(t.w, t.average), [&]<int V>(std::int64_t i) {
    const Run<V> weight = load_narrow<V>(static_cast<const T*>(t.w) + i);
    Run<V> average = load_narrow<V>(t.average + i);
    for (int j = 0; j < V; ++j) average[j] = decay * average[j] + (1.0F - decay) * weight[j];
    store_narrow<V>(t.average + i, average);
  });
}

UpdateEntry update_entry(const UpdateTensor& t) {
  return {t.g, t.w, t.master, t.m, t.v, static_cast<std::uint32_t>(t.count), t.weight_decay};
}

void sgd_step(const KernelContext& ctx, const UpdateList& list, const SgdParams& params,
              const float* control) {
  dispatch_type("sgd_step", list.dtype, [&]<class T>() {
    for_batches<UpdateEntry>("sgd_step", list, update_entry, [&](const UpdateBatch& batch) {
      launch("sgd_step", sgd_step_kernel<T>, dim3{batch.chunks(), 1, 1}, dim3{kBlock, 1, 1}, 0, ctx,
             batch, params, control);
    });
  });
}

void adam_step(const KernelContext& ctx, const UpdateList& list, const AdamParams& params,
               const float* control) {
  dispatch_type("adam_step", list.dtype, [&]<class T>() {
    for_batches<UpdateEntry>("adam_step", list, update_entry, [&](const UpdateBatch& batch) {
      launch("adam_step", adam_step_kernel<T>, dim3{batch.chunks(), 1, 1}, dim3{kBlock, 1, 1}, 0,
             ctx, batch, params, control);
    });
  });
}

void average_weights(const KernelContext& ctx, const AverageList& list, float decay) {
  const auto entry_of = [](const AverageTensor& t) {
    return AverageEntry{t.w, t.average, t.count};
  };
  dispatch_type("average_weights", list.dtype, [&]<class T>() {
    for_batches<AverageEntry>("average_weights", list, entry_of, [&](const AverageBatch& batch) {
      launch("average_weights", average_weights_kernel<T>, dim3{batch.chunks(), 1, 1},
             dim3{kBlock, 1, 1}, 0, ctx, batch, decay);
    });
  });
}

}  // namespace

void add_optimiser(KernelTable& table) {
  table.sgd_step = sgd_step;
  table.adam_step = adam_step;
  table.average_weights = average_weights;
}

}  // namespace lamella::cuda
