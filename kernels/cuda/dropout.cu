// Dropout: keeps an element with a given probability and scales it, or writes zero. The mask is not
// stored: element e of the logical tensor is kept iff word e % 4 of philox(e / 4) is below a bound
// (kernels/philox.h), so backward finds the same mask, and so does every backend and pitch.
#include "kernels/cuda/common.h"
#include "kernels/cuda/families.h"
#include "kernels/philox.h"

namespace lamella::cuda {
namespace {

// The number of the element at `index`, that is pixel * C + c. Words are chosen by comparisons: an
// array indexed at run time would live in memory.
__device__ __forceinline__ std::uint32_t word_of(const Philox4& random, std::int64_t index) {
  const int i = static_cast<int>(index % 4);
  const std::uint32_t low = i == 0 ? random.word[0] : random.word[1];
  const std::uint32_t high = i == 2 ? random.word[2] : random.word[3];
  return i < 2 ? low : high;
}

// y (=|+=) keep ? x * scale : 0.
// Threads: x take runs of V channels, y take pixels. V divides C, so four elements of a run share
// one philox call; with V = 1 each element makes its own.
// Deterministic: one element, one thread; the mask depends on the logical index alone.
// Least bytes: pixels * C * sizeof(T) * 2 (3 when adding).  FLOPs: pixels * C, and about 100
// integer operations for each philox call.
template <class T, int V>
__global__ void dropout_kernel(SliceShape s, DropoutKey key, const T* __restrict__ x,
                               T* __restrict__ y, Write write) {
  static_assert(V == 1 || V % 4 == 0, "a run is whole philox calls or a part of one");
  const Loop channels = channel_loop<V>(), pixels = pixel_loop();
  for (std::int64_t c = channels.begin; c < s.C; c += channels.step) {
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      const std::int64_t index = pixel * s.C + c;
      Run<V> run = load<V>(x + pixel * s.x_pitch + c);
      Philox4 random{};
      for (int i = 0; i < V; ++i) {
        if (i % 4 == 0) {
          random =
              philox(static_cast<std::uint64_t>((index + i) / 4), key.step, key.layer, key.seed);
        }
        const bool keep = word_of(random, index + i) < key.keep_below;
        run[i] = keep ? run[i] * key.scale : 0.0F;
      }
      store<V>(y + pixel * s.y_pitch + c, run, write);
    }
  }
}

void dropout(const char* name, const KernelContext& ctx, const SliceShape& s, const DropoutKey& key,
             const void* x, void* y, Write write) {
  dispatch(name, {s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}}, [&]<class T, int V>() {
    const Plan plan = plan_matrix<V>(s.pixels, s.C);
    launch(name, dropout_kernel<T, V>, plan.grid, plan.block, 0, ctx, s, key,
           static_cast<const T*>(x), static_cast<T*>(y), write);
  });
}

void dropout_fwd(const KernelContext& ctx, const SliceShape& s, const DropoutKey& key,
                 const void* x, void* y) {
  dropout("dropout_fwd", ctx, s, key, x, y, Write::Set);
}

void dropout_bwd(const KernelContext& ctx, const SliceShape& s, const DropoutKey& key,
                 const void* dy, void* dx, Write write) {
  dropout("dropout_bwd", ctx, s, key, dy, dx, write);
}

}  // namespace

void add_dropout(KernelTable& table) {
  table.dropout_fwd = dropout_fwd;
  table.dropout_bwd = dropout_bwd;
}

}  // namespace lamella::cuda
