// Test kernels of the instructions of a whole warp and of asynchronous copies.
#include "kernels/cuda/device/device.h"
#include "tests/simt/exported.h"

namespace lamella {
namespace {

const KernelContext kContext;

// y [16 x 8] = x[0..256) as a [16 x 16] * x[256..384) as b [16 x 8], rounded to T. With
// `transposed`, both lie in shared memory the other way round.
template <class T>
__global__ void matrix_product_kernel(bool transposed, const float* __restrict__ x,
                                      float* __restrict__ y) {
  SHARED(T, a, [16][16]);
  SHARED(T, b, [16][16]);  // columns of b in rows; the last 8 are not used
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 256; i += 32) {
    const int row = i / 16, depth = i % 16;
    a[transposed ? depth : row][transposed ? row : depth] = static_cast<T>(x[i]);
    const float value = row < 8 ? x[256 + depth * 8 + row] : 0.0F;
    b[transposed ? depth : row][transposed ? row : depth] = static_cast<T>(value);
  }
  __syncwarp();
  const int low = lane % 16, high = lane / 16 * 8;
  const int mixed = lane / 16 * 8 + lane % 8, middle = lane / 8 % 2 * 8;
  const Matrices left =
      transposed ? load_matrices_transposed(&a[mixed][middle]) : load_matrices(&a[low][high]);
  const Matrices right =
      transposed ? load_matrices_transposed(&b[low][high]) : load_matrices(&b[mixed][middle]);
  float d[4] = {};
  multiply_add<T>(left, right.v[0], right.v[1], d);
  for (int i = 0; i < 4; ++i) y[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

__global__ void half_a_warp_kernel(float* __restrict__ y) {
  if (threadIdx.x >= 16) return;
  float d[4] = {};
  multiply_add<Bf16>(Matrices{}, 0, 0, d);
  y[threadIdx.x] = d[0];
}

// Two copies of 16 bytes by each thread, the second one of nothing; waits for both, or, with
// `too_early`, for all but the last group.
__global__ void async_copy_kernel(bool too_early, const float* __restrict__ x,
                                  float* __restrict__ y) {
  SHARED(float, values, [2][32][4]);
  const int lane = static_cast<int>(threadIdx.x);
  copy16_async(values[0][lane], x + lane * 4, true);
  commit_copies();
  copy16_async(values[1][lane], x, false);
  commit_copies();
  if (too_early) {
    wait_for_copies<1>();
  } else {
    wait_for_copies<0>();
  }
  __syncthreads();
  const int other = 31 - lane;
  for (int i = 0; i < 4; ++i) {
    y[lane * 4 + i] = values[0][other][i];
    y[128 + lane * 4 + i] = values[1][other][i];
  }
}

}  // namespace

LAMELLA_TEST_KERNEL(matrix_product) {
  launch("matrix_product", n / 2 == 0 ? matrix_product_kernel<Bf16> : matrix_product_kernel<F16>,
         {1}, {32}, 0, kContext, n % 2 != 0, x, y);
}
LAMELLA_TEST_KERNEL(half_a_warp) {
  launch("half_a_warp", half_a_warp_kernel, {1}, {32}, 0, kContext, y);
}
LAMELLA_TEST_KERNEL(async_copy) {
  launch("async_copy", async_copy_kernel, {1}, {32}, 0, kContext, n != 0, x, y);
}

}  // namespace lamella
