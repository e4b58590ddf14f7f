// A copy of the maximum of a row under softmax (kernels/cuda/softmax.cu), sound and with the
// classes dealt out so that neighbouring lanes read far from each other.
#include "kernels/cuda/device/device.h"
#include "tests/simt/exported.h"

namespace lamella {
namespace {

// y[row] = max over c of x[row, c], by one warp for each row.
__global__ void sound_kernel(int classes, const float* __restrict__ x, float* __restrict__ y) {
  const float* row = x + static_cast<int>(blockIdx.x) * classes;
  float most = -INFINITY;
  for (int c = static_cast<int>(threadIdx.x); c < classes; c += kWarpLanes) {
    most = fmaxf(most, row[c]);
  }
  most = warp_max(most);
  if (threadIdx.x == 0) y[blockIdx.x] = most;
}

__global__ void faulty_kernel(int classes, const float* __restrict__ x, float* __restrict__ y) {
  const float* row = x + static_cast<int>(blockIdx.x) * classes;
  const int share = classes / kWarpLanes;
  float most = -INFINITY;
  for (int i = 0; i < share; ++i) {
    most = fmaxf(most, row[static_cast<int>(threadIdx.x) * share + i]);  // FAULT: stride `share`
  }
  most = warp_max(most);
  if (threadIdx.x == 0) y[blockIdx.x] = most;
}

const KernelContext kContext;

}  // namespace

LAMELLA_TEST_KERNEL(strided_read_sound) {
  launch("sound", sound_kernel, {2}, {kWarpLanes}, 0, kContext, n, x, y);
}
LAMELLA_TEST_KERNEL(strided_read) {
  launch("strided_read", faulty_kernel, {2}, {kWarpLanes}, 0, kContext, n, x, y);
}

}  // namespace lamella
