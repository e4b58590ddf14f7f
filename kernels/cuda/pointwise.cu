// Element-wise kernels: fill, copy, ReLU, add, mul, scale. Each reads and writes every element
// once, so they run at the speed of memory, and the map from threads to elements is all there is to
// them.
//
// Common to all: threads x take runs of V channels, threads y take pixels (channel_loop,
// pixel_loop); V fills 16 bytes where channels, pitches and pointers allow, else V = 1. Operands
// may be channel slices with pitches of their own. One element is one thread's: deterministic.
#include "kernels/cuda/common.h"
#include "kernels/cuda/families.h"

namespace lamella::cuda {
namespace {

// y[i] = value.
// Least bytes: count * sizeof(T) written.  FLOPs: 0.
template <class T, int V>
__global__ void fill_kernel(std::int64_t count, T value, T* __restrict__ y) {
  Run<V> run;
  for (int i = 0; i < V; ++i) run[i] = static_cast<float>(value);
  const Loop elements = element_loop<V>();
  for (std::int64_t i = elements.begin; i < count; i += elements.step) store<V>(y + i, run);
}

// y (=|+=) x.
// Least bytes: pixels * C * sizeof(T) * 2 (3 when adding).  FLOPs: 0 (pixels * C when adding).
template <class T, int V>
__global__ void copy_kernel(SliceShape s, const T* __restrict__ x, T* __restrict__ y, Write write) {
  const Loop channels = channel_loop<V>(), pixels = pixel_loop();
  for (std::int64_t c = channels.begin; c < s.C; c += channels.step) {
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      store<V>(y + pixel * s.y_pitch + c, load<V>(x + pixel * s.x_pitch + c), write);
    }
  }
}

// y = max(x, 0). A NaN stays a NaN, so that a diverging net is seen.
// Least bytes: pixels * C * sizeof(T) * 2.  FLOPs: pixels * C.
template <class T, int V>
__global__ void relu_fwd_kernel(SliceShape s, const T* __restrict__ x, T* __restrict__ y) {
  const Loop channels = channel_loop<V>(), pixels = pixel_loop();
  for (std::int64_t c = channels.begin; c < s.C; c += channels.step) {
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      Run<V> run = load<V>(x + pixel * s.x_pitch + c);
      for (int i = 0; i < V; ++i) run[i] = run[i] <= 0 ? 0.0F : run[i];
      store<V>(y + pixel * s.y_pitch + c, run);
    }
  }
}

// dx (=|+=) y > 0 ? dy : 0; dx at x_pitch, y at y_pitch.
// Least bytes: pixels * C * sizeof(T) * 3 (4 when adding).  FLOPs: pixels * C (2 when adding).
template <class T, int V>
__global__ void relu_bwd_kernel(SliceShape s, const T* __restrict__ y, const T* __restrict__ dy,
                                std::int64_t dy_pitch, T* __restrict__ dx, Write write) {
  const Loop channels = channel_loop<V>(), pixels = pixel_loop();
  for (std::int64_t c = channels.begin; c < s.C; c += channels.step) {
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      const Run<V> out = load<V>(y + pixel * s.y_pitch + c);
      Run<V> run = load<V>(dy + pixel * dy_pitch + c);
      for (int i = 0; i < V; ++i) run[i] = out[i] > 0 ? run[i] : 0.0F;
      store<V>(dx + pixel * s.x_pitch + c, run, write);
    }
  }
}

// y = a + b.
// Least bytes: pixels * C * sizeof(T) * 3.  FLOPs: pixels * C.
template <class T, int V>
__global__ void add_fwd_kernel(AddShape s, const T* __restrict__ a, const T* __restrict__ b,
                               T* __restrict__ y) {
  const Loop channels = channel_loop<V>(), pixels = pixel_loop();
  for (std::int64_t c = channels.begin; c < s.C; c += channels.step) {
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      Run<V> run = load<V>(a + pixel * s.a_pitch + c);
      const Run<V> other = load<V>(b + pixel * s.b_pitch + c);
      for (int i = 0; i < V; ++i) run[i] += other[i];
      store<V>(y + pixel * s.y_pitch + c, run);
    }
  }
}

// y (=|+=) a * b.
// Least bytes: pixels * C * sizeof(T) * 3 (4 when adding).  FLOPs: pixels * C (2 when adding).
template <class T, int V>
__global__ void mul_kernel(AddShape s, const T* __restrict__ a, const T* __restrict__ b,
                           T* __restrict__ y, Write write) {
  const Loop channels = channel_loop<V>(), pixels = pixel_loop();
  for (std::int64_t c = channels.begin; c < s.C; c += channels.step) {
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      Run<V> run = load<V>(a + pixel * s.a_pitch + c);
      const Run<V> other = load<V>(b + pixel * s.b_pitch + c);
      for (int i = 0; i < V; ++i) run[i] *= other[i];
      store<V>(y + pixel * s.y_pitch + c, run, write);
    }
  }
}

// y (=|+=) alpha * x.
// Least bytes: pixels * C * sizeof(T) * 2 (3 when adding).  FLOPs: pixels * C (2 when adding).
template <class T, int V>
__global__ void scale_kernel(SliceShape s, float alpha, const T* __restrict__ x, T* __restrict__ y,
                             Write write) {
  const Loop channels = channel_loop<V>(), pixels = pixel_loop();
  for (std::int64_t c = channels.begin; c < s.C; c += channels.step) {
    for (std::int64_t pixel = pixels.begin; pixel < s.pixels; pixel += pixels.step) {
      Run<V> run = load<V>(x + pixel * s.x_pitch + c);
      for (int i = 0; i < V; ++i) run[i] *= alpha;
      store<V>(y + pixel * s.y_pitch + c, run, write);
    }
  }
}

void fill(const KernelContext& ctx, const FlatShape& s, float value, void* y) {
  if (s.dtype == DType::I32) {
    const Plan plan = plan_flat<1>(s.count);
    launch("fill", fill_kernel<std::int32_t, 1>, plan.grid, plan.block, 0, ctx, s.count,
           static_cast<std::int32_t>(value), static_cast<std::int32_t*>(y));
    return;
  }
  dispatch("fill", {s.dtype, {s.count}, {y}}, [&]<class T, int V>() {
    const Plan plan = plan_flat<V>(s.count);
    launch("fill", fill_kernel<T, V>, plan.grid, plan.block, 0, ctx, s.count, static_cast<T>(value),
           static_cast<T*>(y));
  });
}

void copy(const KernelContext& ctx, const SliceShape& s, const void* x, void* y, Write write) {
  dispatch("copy", {s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}}, [&]<class T, int V>() {
    const Plan plan = plan_matrix<V>(s.pixels, s.C);
    launch("copy", copy_kernel<T, V>, plan.grid, plan.block, 0, ctx, s, static_cast<const T*>(x),
           static_cast<T*>(y), write);
  });
}

void relu_fwd(const KernelContext& ctx, const SliceShape& s, const void* x, void* y) {
  dispatch("relu_fwd", {s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}}, [&]<class T, int V>() {
    const Plan plan = plan_matrix<V>(s.pixels, s.C);
    launch("relu_fwd", relu_fwd_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void relu_bwd(const KernelContext& ctx, const SliceShape& s, const void* y, const void* dy,
              std::int64_t dy_pitch, void* dx, Write write) {
  const Access access{s.dtype, {s.C, s.x_pitch, s.y_pitch, dy_pitch}, {y, dy, dx}};
  dispatch("relu_bwd", access, [&]<class T, int V>() {
    const Plan plan = plan_matrix<V>(s.pixels, s.C);
    launch("relu_bwd", relu_bwd_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(y), static_cast<const T*>(dy), dy_pitch, static_cast<T*>(dx),
           write);
  });
}

void add_fwd(const KernelContext& ctx, const AddShape& s, const void* a, const void* b, void* y) {
  const Access access{s.dtype, {s.C, s.a_pitch, s.b_pitch, s.y_pitch}, {a, b, y}};
  dispatch("add_fwd", access, [&]<class T, int V>() {
    const Plan plan = plan_matrix<V>(s.pixels, s.C);
    launch("add_fwd", add_fwd_kernel<T, V>, plan.grid, plan.block, 0, ctx, s,
           static_cast<const T*>(a), static_cast<const T*>(b), static_cast<T*>(y));
  });
}

void mul(const KernelContext& ctx, const AddShape& s, const void* a, const void* b, void* y,
         Write write) {
  const Access access{s.dtype, {s.C, s.a_pitch, s.b_pitch, s.y_pitch}, {a, b, y}};
  dispatch("mul", access, [&]<class T, int V>() {
    const Plan plan = plan_matrix<V>(s.pixels, s.C);
    launch("mul", mul_kernel<T, V>, plan.grid, plan.block, 0, ctx, s, static_cast<const T*>(a),
           static_cast<const T*>(b), static_cast<T*>(y), write);
  });
}

void scale(const KernelContext& ctx, const SliceShape& s, float alpha, const void* x, void* y,
           Write write) {
  dispatch("scale", {s.dtype, {s.C, s.x_pitch, s.y_pitch}, {x, y}}, [&]<class T, int V>() {
    const Plan plan = plan_matrix<V>(s.pixels, s.C);
    launch("scale", scale_kernel<T, V>, plan.grid, plan.block, 0, ctx, s, alpha,
           static_cast<const T*>(x), static_cast<T*>(y), write);
  });
}

}  // namespace

void add_pointwise(KernelTable& table) {
  table.fill = fill;
  table.copy = copy;
  table.relu_fwd = relu_fwd;
  table.relu_bwd = relu_bwd;
  table.add_fwd = add_fwd;
  table.mul = mul;
  table.scale = scale;
}

}  // namespace lamella::cuda
