// The one door through which kernels are launched.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/cuda/device/language.h"
#include "kernels/kernel_table.h"
#if !defined(__CUDACC__)
#include "kernels/simt/launch.h"
#endif

namespace lamella {

// Runs kernel(args...) on `grid` blocks of `block` threads, each block with `shared_bytes` of
// dynamic shared memory, on the stream of ctx. Does nothing when the grid is empty. Throws
// std::runtime_error naming the kernel when the launch is refused.
template <class... Params>
void launch(const char* name, void (*kernel)(Params...), dim3 grid, dim3 block,
            std::size_t shared_bytes, const KernelContext& ctx,
            std::type_identity_t<Params>... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
#if defined(__CUDACC__)
  constexpr std::size_t kSharedWithoutAsking = 48 << 10;
  cudaError_t status = cudaSuccess;
  if (shared_bytes > kSharedWithoutAsking) {
    status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(shared_bytes));
  }
  if (status == cudaSuccess) {
    kernel<<<grid, block, shared_bytes, static_cast<cudaStream_t>(ctx.stream)>>>(args...);
    status = cudaGetLastError();
  }
  if (status == cudaSuccess) return;
  const auto text = [](dim3 d) {
    return std::to_string(d.x) + "x" + std::to_string(d.y) + "x" + std::to_string(d.z);
  };
  throw std::runtime_error(std::string(name) + ": launching " + text(grid) + " blocks of " +
                           text(block) + " threads with " + std::to_string(shared_bytes) +
                           " bytes of dynamic shared memory failed: " + cudaGetErrorString(status));
#else
  static_cast<void>(ctx);
  simt::launch({name, grid, block, shared_bytes}, kernel, args...);
#endif
}

}  // namespace lamella
