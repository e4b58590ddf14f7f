// A copy of the gradient of the global average pool (kernels/cuda/global_pool.cu), sound and with
// a loop bound that is one too large.
#include "kernels/cuda/device/device.h"
#include "tests/simt/exported.h"

namespace lamella {
namespace {

constexpr int kChannels = 24;

// dx[pixel, c] = dy[c] / pixels.
__global__ void sound_kernel(int pixels, const float* __restrict__ dy, float* __restrict__ dx) {
  const int c = static_cast<int>(threadIdx.x);
  const float share = dy[c] / static_cast<float>(pixels);
  for (int pixel = 0; pixel < pixels; ++pixel) {
    dx[pixel * kChannels + c] = share;
  }
}

__global__ void faulty_kernel(int pixels, const float* __restrict__ dy, float* __restrict__ dx) {
  const int c = static_cast<int>(threadIdx.x);
  const float share = dy[c] / static_cast<float>(pixels);
  for (int pixel = 0; pixel <= pixels; ++pixel) {
    dx[pixel * kChannels + c] = share;  // FAULT: pixel reaches pixels
  }
}

const KernelContext kContext;

}  // namespace

LAMELLA_TEST_KERNEL(off_by_one_sound) {
  launch("sound", sound_kernel, {1}, {kChannels}, 0, kContext, n, x, y);
}
LAMELLA_TEST_KERNEL(off_by_one) {
  launch("off_by_one", faulty_kernel, {1}, {kChannels}, 0, kContext, n, x, y);
}

}  // namespace lamella
