// The norm of all gradients, and what an optimiser step takes from it: the factor of clipping,
// whether to step at all, Adam's corrections. All of it stays on the device.
#include "kernels/cuda/families.h"
#include "kernels/cuda/partials.h"
#include "kernels/cuda/tensor_list.h"

namespace lamella::cuda {
namespace {

struct GradientEntry {
  const void* g;
  std::int64_t count;
};

using GradientBatch = TensorBatch<GradientEntry>;

static_assert(sizeof(GradientBatch) + kOtherParameters <= kParameterBytes);

// partials[block] = sum of g^2 over this block's chunk of a tensor.
// Threads take runs that fill 16 bytes where the tensor is aligned to them, else single elements.
// Accumulation in f32: one sum in a thread, then by halves. Deterministic.
// Least bytes: count * sizeof(T).  FLOPs: 2 * count.
template <class T>
__global__ void gradient_norm_partial_kernel(GRID_CONSTANT(GradientBatch) batch,
                                             float* __restrict__ partials) {
  const Chunk chunk = chunk_of_block(batch);
  const T* g = static_cast<const T*>(batch.entries[chunk.tensor].g);
  float sum = 0;
  constexpr int kRun = Vec16<T>::kCount;
  for_runs<kRun>(chunk, all_aligned(g), [&]<int V>(std::int64_t i) {
    const Run<V> run = load<V>(g + i);
    for (int j = 0; j < V; ++j) sum += run[j] * run[j];
  });
  write_block_sum(sum, partials);
}

// 1 - beta^step, by squaring: the same on every device.
__device__ __forceinline__ float correction_of(float beta, std::int64_t step) {
  double power = 1, square = double{beta};
  for (; step > 0; step /= 2) {
    if (step % 2 != 0) power *= square;
    square *= square;
  }
  return static_cast<float>(1 - power);
}

// control and skipped as in kernel_table.h, from the partials.
// Threads: one block; its threads take neighbouring partials, then add by halves. Deterministic.
// Least bytes: count * 4 + 24.  FLOPs: count.
__global__ void gradient_control_kernel(std::int64_t count, GradientParams p,
                                        const float* __restrict__ partials,
                                        float* __restrict__ skipped, float* __restrict__ control) {
  const float sum = sum_of_partials(count, partials);
  if (threadIdx.x != 0) return;
  const float norm = p.grad_scale * sqrtf(sum), before = skipped[0];
  const std::int64_t step = p.step - static_cast<std::int64_t>(before);
  control[0] = norm;
  control[1] = p.clip_norm > 0 ? fminf(1.0F, p.clip_norm / (norm + 1e-6F)) : 1.0F;
  control[2] = correction_of(p.beta1, step);
  control[3] = correction_of(p.beta2, step);
  skipped[0] = fabsf(norm) < INFINITY ? before : before + 1.0F;
}

std::int64_t chunks_of(const UpdateList& list) {
  std::int64_t chunks = 0;
  for (std::int64_t i = 0; i < list.tensor_count; ++i) {
    chunks += divide_up(list.tensors[i].count, kChunk);
  }
  return chunks;
}

void gradient_control(const KernelContext& ctx, const UpdateLists& all,
                      const GradientParams& params, float* skipped, float* control) {
  const auto entry_of = [](const UpdateTensor& t) { return GradientEntry{t.g, t.count}; };
  std::int64_t chunks = 0;
  for (std::int64_t i = 0; i < all.list_count; ++i) chunks += chunks_of(all.lists[i]);
  float* partials = ctx.scratch<float>(chunks);
  float* next = partials;
  for (std::int64_t i = 0; i < all.list_count; ++i) {
    const UpdateList& list = all.lists[i];
    dispatch_type("gradient_control", list.dtype, [&]<class T>() {
      const auto add_batch = [&](const GradientBatch& batch) {
        launch("gradient_control", gradient_norm_partial_kernel<T>, dim3{batch.chunks(), 1, 1},
               dim3{kBlock, 1, 1}, 0, ctx, batch, next);
        next += batch.chunks();
      };
      for_batches<GradientEntry>("gradient_control", list, entry_of, add_batch);
    });
  }
  launch("gradient_control", gradient_control_kernel, kOneBlock.grid, kOneBlock.block, 0, ctx,
         chunks, params, partials, skipped, control);
}

}  // namespace

void add_gradient_control(KernelTable& table) {
  table.gradient_control = gradient_control;
}

}  // namespace lamella::cuda
