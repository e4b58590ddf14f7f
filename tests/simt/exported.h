// How test kernels are started from outside their library: C functions of one form.
#pragma once

extern "C" {
// x and y are device memory, n is whatever number the kernel takes.
using LamellaTestKernel = void(int n, const float* x, float* y);
}

#define LAMELLA_TEST_KERNEL(name)                                             \
  extern "C" __attribute__((visibility("default"))) void lamella_test_##name( \
      [[maybe_unused]] int n, [[maybe_unused]] const float* x, [[maybe_unused]] float* y)
