// A matrix of pixels x channels from one floating type to another, between pitches.
#include "kernels/cuda/common.h"
#include "kernels/cuda/families.h"

namespace lamella::cuda {
namespace {

// y (=|+=) x, rounded to To: to nearest, ties to even. A sum is made in f32 and rounded once.
// Threads: x take runs of V channels, y take pixels (channel_loop, pixel_loop). V elements of the
// wider of the two types fill 16 bytes, so those of the narrower fill 8: with 16 bytes of the
// narrower, each of the two accesses to the wider one would touch every sector and use half of it.
// x at x_pitch, y at y_pitch. One element is one thread's: deterministic.
// Least bytes: pixels * C * (sizeof(From) + sizeof(To)), and sizeof(To) more when adding.
// FLOPs: 0 (pixels * C when adding).
template <class From, class To, int V>
__global__ void cast_kernel(CastShape s, const From* __restrict__ x, To* __restrict__ y,
                            Write write) {
  const Loop channels = channel_loop<V>(), pixels = pixel_loop();
  for (std::int64_t c = channels.begin; c < s.C; c += channels.step) {
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      To* const to = y + pixel * s.y_pitch + c;
      Run<V> run = load_narrow<V>(x + pixel * s.x_pitch + c);
      if (write == Write::Add) {
        const Run<V> before = load_narrow<V>(to);
        for (int i = 0; i < V; ++i) run[i] += before[i];
      }
      store_narrow<V>(to, run);
    }
  }
}

template <class From, class To>
void launch_cast(const KernelContext& ctx, const CastShape& s, const void* x, void* y,
                 Write write) {
  const auto with = [&]<int V>() {
    const Plan plan = plan_matrix<V>(s.pixels, s.C);
    launch("cast", cast_kernel<From, To, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const From*>(x), static_cast<To*>(y), write);
  };
  constexpr int kRun = kVectorBytes / static_cast<int>(std::max(sizeof(From), sizeof(To)));
  const bool vectorised =
      allows_runs<From, kRun>({s.C, s.x_pitch}, x) && allows_runs<To, kRun>({s.C, s.y_pitch}, y);
  vectorised ? with.template operator()<kRun>() : with.template operator()<1>();
}

void cast(const KernelContext& ctx, const CastShape& s, const void* x, void* y, Write write) {
  dispatch_type("cast", s.x_dtype, [&]<class From>() {
    dispatch_type("cast", s.y_dtype,
                  [&]<class To>() { launch_cast<From, To>(ctx, s, x, y, write); });
  });
}

}  // namespace

void add_cast(KernelTable& table) {
  table.cast = cast;
}

}  // namespace lamella::cuda
