// A launch without the types of its kernel: what the door of device/launch.h asks of the CUDA
// runtime. This file needs nothing of CUDA, so kernels compiled by any compiler can go this way
// (tests/cuda_host).
#pragma once

#include <cstddef>

namespace lamella::cuda {

struct Extent {
  unsigned x, y, z;
};

struct KernelLaunch {
  const char* name;    // in errors
  const void* kernel;  // the function that stands for it on the host
  Extent grid, block;
  std::size_t shared_bytes;  // of dynamic shared memory
  void* stream;
  void** arguments;  // the address of each
};

// Throws std::runtime_error naming the kernel when the launch is refused.
void launch_kernel(const KernelLaunch& launch);

}  // namespace lamella::cuda
