// A copy of the column sum under bias gradients (kernels/cuda/columns.h), sound and with the
// barrier between the halving steps deleted.
#include "kernels/cuda/device/device.h"
#include "tests/simt/exported.h"

namespace lamella {
namespace {

constexpr unsigned kRows = 8, kColumns = 32;

// y[c] = sum over the block's rows of x[row, c].
__global__ void sound_kernel(const float* __restrict__ x, float* __restrict__ y) {
  SHARED(float, tile, [kRows][kColumns]);
  const unsigned row = threadIdx.y, c = threadIdx.x;
  tile[row][c] = x[row * kColumns + c];
  __syncthreads();
  for (unsigned rows = kRows / 2; rows > 0; rows /= 2) {
    if (row < rows) tile[row][c] += tile[row + rows][c];
    __syncthreads();
  }
  if (row == 0) y[c] = tile[0][c];
}

__global__ void faulty_kernel(const float* __restrict__ x, float* __restrict__ y) {
  SHARED(float, tile, [kRows][kColumns]);
  const unsigned row = threadIdx.y, c = threadIdx.x;
  tile[row][c] = x[row * kColumns + c];
  __syncthreads();
  for (unsigned rows = kRows / 2; rows > 0; rows /= 2) {
    if (row < rows) tile[row][c] += tile[row + rows][c];  // FAULT: no barrier after it
  }
  if (row == 0) y[c] = tile[0][c];
}

const KernelContext kContext;

}  // namespace

LAMELLA_TEST_KERNEL(deleted_barrier_sound) {
  launch("sound", sound_kernel, {1}, {kColumns, kRows}, 0, kContext, x, y);
}
LAMELLA_TEST_KERNEL(deleted_barrier) {
  launch("deleted_barrier", faulty_kernel, {1}, {kColumns, kRows}, 0, kContext, x, y);
}

}  // namespace lamella
