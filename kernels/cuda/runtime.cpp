#include "kernels/cuda/runtime.h"

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace lamella::cuda {
namespace {

constexpr std::size_t kSharedWithoutAsking = 48 << 10;

cudaError_t try_launch(const KernelLaunch& l) {
  if (l.shared_bytes > kSharedWithoutAsking) {
    const cudaError_t status = cudaFuncSetAttribute(
        l.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(l.shared_bytes));
    if (status != cudaSuccess) return status;
  }
  return cudaLaunchKernel(l.kernel, dim3(l.grid.x, l.grid.y, l.grid.z),
                          dim3(l.block.x, l.block.y, l.block.z), l.arguments, l.shared_bytes,
                          static_cast<cudaStream_t>(l.stream));
}

std::string text(const Extent& e) {
  return std::to_string(e.x) + "x" + std::to_string(e.y) + "x" + std::to_string(e.z);
}

}  // namespace

void launch_kernel(const KernelLaunch& launch) {
  const cudaError_t status = try_launch(launch);
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears it: the next call shall not report this one
  throw std::runtime_error(std::string(launch.name) + ": launching " + text(launch.grid) +
                           " blocks of " + text(launch.block) + " threads with " +
                           std::to_string(launch.shared_bytes) +
                           " bytes of dynamic shared memory failed: " + cudaGetErrorString(status) +
                           " (" + cudaGetErrorName(status) + ")");
}

}  // namespace lamella::cuda
