// Small kernels with known behaviour: known numbers of accesses, known results of collectives, and
// one each of what the emulator refuses. Each is started through a plain C function.
#include <stdexcept>

#include "kernels/cuda/device/device.h"
#include "tests/simt/exported.h"

namespace lamella {
namespace {

using std::int64_t;

__device__ __forceinline__ int global_thread() {
  return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

__global__ void read_strided_kernel(int stride, const float* __restrict__ x,
                                    float* __restrict__ y) {
  const int i = global_thread();
  y[i] = x[int64_t{i} * stride];
}

__global__ void copy16_kernel(const float* __restrict__ x, float* __restrict__ y) {
  const int i = 4 * global_thread();
  store16(y + i, load16(x + i));
}

// A 32 x 32 tile, transposed through shared memory by 32 x 8 threads.
template <int Pitch>
__global__ void transpose_kernel(const float* __restrict__ x, float* __restrict__ y) {
  SHARED(float, tile, [32][Pitch]);
  for (unsigned row = threadIdx.y; row < 32; row += 8) {
    tile[row][threadIdx.x] = x[row * 32 + threadIdx.x];
  }
  __syncthreads();
  for (unsigned row = threadIdx.y; row < 32; row += 8) {
    y[row * 32 + threadIdx.x] = tile[threadIdx.x][row];
  }
}

// Every third lane leaves out every third round, each a different one.
__global__ void continue_kernel(int rounds, const float* __restrict__ x, float* __restrict__ y) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  float sum = 0;
  for (int i = 0; i < rounds; ++i) {
    if (i % 3 == lane % 3) continue;
    sum += x[i * 32 + lane];
    if (lane > i) continue;
    sum += x[(rounds + i) * 32 + lane];
  }
  y[global_thread()] = sum;
}

// Lane l goes round l times: request k is made by the lanes above k.
__global__ void triangle_kernel(const float* __restrict__ x, float* __restrict__ y) {
  float sum = 0;
  for (unsigned k = 0; k < threadIdx.x; ++k) sum += x[k * 32 + threadIdx.x];
  y[threadIdx.x] = sum;
}

// 3 x 3 maximum with stride 2 and padding 1; a thread makes one output.
__global__ void pool_kernel(int height, int width, int out_height, int out_width,
                            const float* __restrict__ x, float* __restrict__ y) {
  const int i = global_thread();
  if (i >= out_height * out_width) return;
  const int top = i / out_width * 2 - 1, left = i % out_width * 2 - 1;
  float best = -INFINITY;
  for (int r = 0; r < 3; ++r) {
    const int h = top + r;
    if (h < 0 || h >= height) continue;
    for (int s = 0; s < 3; ++s) {
      const int w = left + s;
      if (w < 0 || w >= width) continue;
      best = fmaxf(best, x[h * width + w]);
    }
  }
  y[i] = best;
}

// One result for each collective and thread; see collectives in simt_test.cpp.
__global__ void collectives_kernel(unsigned mask, int* __restrict__ y) {
  const int lane = static_cast<int>(threadIdx.x);
  if ((mask >> lane & 1U) == 0) return;
  int* mine = y + 8 * lane;
  mine[0] = __shfl_sync(mask, lane, lane + 3, 8);
  mine[1] = __shfl_up_sync(mask, lane, 2, 16);
  mine[2] = __shfl_down_sync(mask, lane, 5);
  mine[3] = __shfl_xor_sync(mask, lane, 9);
  mine[4] = static_cast<int>(__ballot_sync(mask, lane % 3 == 0));
  mine[5] = __any_sync(mask, lane == 4);
  mine[6] = __all_sync(mask, lane % 2 == 0);
  __syncwarp(mask);
  mine[7] = static_cast<int>(__shfl_xor_sync(mask, 0.5 * lane, 1) * 2);
}

__global__ void sum_kernel(const float* __restrict__ x, float* __restrict__ y) {
  const float sum = block_sum<256>(x[global_thread()]);
  const float most = block_max<256>(x[global_thread()], -INFINITY);
  if (threadIdx.x == 0) y[2 * blockIdx.x] = sum;
  if (threadIdx.x == 1) y[2 * blockIdx.x + 1] = most;
}

__global__ void order_kernel(int* __restrict__ counter, int* __restrict__ y) {
  y[global_thread()] = atomicAdd(counter, 1);
}

__global__ void atomics_kernel(int* __restrict__ a, unsigned long long* __restrict__ b) {
  const int i = static_cast<int>(threadIdx.x);
  atomicAdd(a, i);
  atomicMax(a + 1, i);
  atomicMin(a + 2, -i);
  atomicOr(a + 3, 1 << i % 8);
  atomicCAS(a + 4, 0, i + 1);
  atomicAdd(b, 1ULL << 33U);
}

__global__ void diverged_kernel() {
  if (threadIdx.x < 20) __syncthreads();
}

__global__ void two_barriers_kernel() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void foreign_mask_kernel() {
  __shfl_sync(0x1U, 1.0F, 0);
}

__global__ void lost_lane_kernel() {
  if (threadIdx.x == 7) __syncthreads();
  __syncwarp();
}

__global__ void throwing_kernel() {
  if (threadIdx.x == 5) throw std::runtime_error("thrown by a thread");
  __syncthreads();
}

// Waits for another thread to write: by reading, and meeting its warp at a barrier; or by atomics.
__global__ void spin_kernel(int by, int* __restrict__ y) {
  const volatile int* value = y;
  while (by == 2 ? atomicAdd(y, 0) != 1 : *value != 1) {
    if (by == 1) __syncwarp();
  }
}

__global__ void write_at_kernel(int64_t index, float* __restrict__ y) {
  y[index] = 1;
}

__global__ void write_shared_at_kernel(unsigned index) {
  SHARED(float, row, [8]);
  row[index] = 1;
}

__global__ void write_dynamic_at_kernel(unsigned index) {
  dynamic_shared<float>()[index] = 1;
}

__global__ void read_unwritten_kernel(const float* __restrict__ x, float* __restrict__ y) {
  y[threadIdx.x] = x[threadIdx.x];
}

// Thread 0 passes a value on; with `barrier`, a barrier of the warp orders it.
__global__ void pass_on_kernel(bool barrier, int* __restrict__ y) {
  SHARED(int, value, [1]);
  if (threadIdx.x == 0) value[0] = 7;
  if (barrier) __syncwarp();
  y[threadIdx.x] = value[0];
}

__global__ void blocks_meet_kernel(int* __restrict__ y) {
  y[threadIdx.x] = static_cast<int>(threadIdx.x);
}

__global__ void bytes_kernel(unsigned char* __restrict__ y) {
  y[threadIdx.x] = static_cast<unsigned char>(threadIdx.x);
}

const KernelContext kContext;

}  // namespace

// x and y are device memory; n is whatever number the kernel takes.
LAMELLA_TEST_KERNEL(read_strided) {
  launch("read_strided", read_strided_kernel, {4}, {128}, 0, kContext, n, x, y);
}
LAMELLA_TEST_KERNEL(copy16) {
  launch("copy16", copy16_kernel, {4}, {128}, 0, kContext, x, y);
}
LAMELLA_TEST_KERNEL(transpose) {
  const auto kernel = n == 32 ? transpose_kernel<32> : transpose_kernel<33>;
  launch("transpose", kernel, {1}, {32, 8}, 0, kContext, x, y);
}
LAMELLA_TEST_KERNEL(continued) {
  launch("continued", continue_kernel, {2}, {64}, 0, kContext, n, x, y);
}
LAMELLA_TEST_KERNEL(triangle) {
  launch("triangle", triangle_kernel, {1}, {32}, 0, kContext, x, y);
}
LAMELLA_TEST_KERNEL(pool) {
  const int out = (n - 1) / 2 + 1;
  const auto blocks = static_cast<unsigned>((out * out + 63) / 64);
  launch("pool", pool_kernel, {blocks}, {64}, 0, kContext, n, n, out, out, x, y);
}
LAMELLA_TEST_KERNEL(collectives) {
  launch("collectives", collectives_kernel, {1}, {32}, 0, kContext, static_cast<unsigned>(n),
         reinterpret_cast<int*>(y));
}
LAMELLA_TEST_KERNEL(sum) {
  launch("sum", sum_kernel, {static_cast<unsigned>(n)}, {256}, 0, kContext, x, y);
}
LAMELLA_TEST_KERNEL(order) {
  auto* result = reinterpret_cast<int*>(y);
  launch("order", order_kernel, {4}, {64}, 0, kContext, result, result + 1);
}
LAMELLA_TEST_KERNEL(atomics) {
  auto* result = reinterpret_cast<int*>(y);
  launch("atomics", atomics_kernel, {2}, {64}, 0, kContext, result,
         reinterpret_cast<unsigned long long*>(result + 8));
}
LAMELLA_TEST_KERNEL(diverged) {
  launch("diverged", diverged_kernel, {1}, {64}, 0, kContext);
}
LAMELLA_TEST_KERNEL(two_barriers) {
  launch("two_barriers", two_barriers_kernel, {1}, {64}, 0, kContext);
}
LAMELLA_TEST_KERNEL(foreign_mask) {
  launch("foreign_mask", foreign_mask_kernel, {1}, {32}, 0, kContext);
}
LAMELLA_TEST_KERNEL(lost_lane) {
  launch("lost_lane", lost_lane_kernel, {1}, {32}, 0, kContext);
}
LAMELLA_TEST_KERNEL(throwing) {
  launch("throwing", throwing_kernel, {3}, {64}, 0, kContext);
}
LAMELLA_TEST_KERNEL(spin) {
  launch("spin", spin_kernel, {2}, {2}, 0, kContext, n, reinterpret_cast<int*>(y));
}
LAMELLA_TEST_KERNEL(write_at) {
  launch("write_at", write_at_kernel, {1}, {1}, 0, kContext, int64_t{n}, y);
}
LAMELLA_TEST_KERNEL(write_shared_at) {
  launch("write_shared_at", write_shared_at_kernel, {1}, {1}, 0, kContext,
         static_cast<unsigned>(n));
}
LAMELLA_TEST_KERNEL(write_dynamic_at) {
  launch("write_dynamic_at", write_dynamic_at_kernel, {1}, {1}, 32, kContext,
         static_cast<unsigned>(n));
}
LAMELLA_TEST_KERNEL(read_unwritten) {
  launch("read_unwritten", read_unwritten_kernel, {1}, {static_cast<unsigned>(n)}, 0, kContext, x,
         y);
}
LAMELLA_TEST_KERNEL(pass_on) {
  launch("pass_on", pass_on_kernel, {1}, {32}, 0, kContext, n != 0, reinterpret_cast<int*>(y));
}
LAMELLA_TEST_KERNEL(blocks_meet) {
  launch("blocks_meet", blocks_meet_kernel, {static_cast<unsigned>(n)}, {32}, 0, kContext,
         reinterpret_cast<int*>(y));
}
LAMELLA_TEST_KERNEL(bytes) {
  launch("bytes", bytes_kernel, {1}, {64}, 0, kContext, reinterpret_cast<unsigned char*>(y));
}
LAMELLA_TEST_KERNEL(too_many_threads) {
  launch("too_many_threads", diverged_kernel, {1}, {1025}, 0, kContext);
}

}  // namespace lamella
