// A first kernel, as simple as it can be: one thread takes one row. Neighbouring threads read
// addresses a whole row apart, so each of a warp's 32 reads fetches a sector of its own.
//   tools/try_kernel.sh tests/calls/student/naive_softmax.cu --as softmax_fwd
#include "kernels/cuda/common.h"

namespace lamella::student {

__global__ void naive_softmax_kernel(SoftmaxShape s, const float* __restrict__ x,
                                     float* __restrict__ probs) {
  const std::int64_t n = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (n >= s.N) return;
  const float* row = x + n * s.x_pitch;
  float max = -INFINITY, sum = 0;
  for (std::int64_t c = 0; c < s.C; ++c) max = fmaxf(max, row[c]);
  for (std::int64_t c = 0; c < s.C; ++c) sum += expf(row[c] - max);
  for (std::int64_t c = 0; c < s.C; ++c) probs[n * s.C + c] = expf(row[c] - max) / sum;
}

void softmax_fwd(const KernelContext& ctx, const SoftmaxShape& s, const void* x, float* probs) {
  constexpr unsigned kThreads = 128;
  const auto blocks = static_cast<unsigned>(cuda::divide_up(s.N, kThreads));
  launch("softmax_fwd", naive_softmax_kernel, dim3{blocks, 1, 1}, dim3{kThreads, 1, 1}, 0, ctx, s,
         static_cast<const float*>(x), probs);
}

}  // namespace lamella::student
