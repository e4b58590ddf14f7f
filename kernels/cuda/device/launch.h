// The one door through which kernels are launched.
#pragma once

#include <cstddef>
#include <type_traits>

#include "kernels/cuda/device/language.h"
#include "kernels/kernel_table.h"
#if defined(__CUDACC__)
#include "kernels/cuda/runtime.h"
#else
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
  void* arguments[] = {const_cast<void*>(static_cast<const void*>(&args))...};
  cuda::launch_kernel({name,
                       reinterpret_cast<const void*>(kernel),
                       {grid.x, grid.y, grid.z},
                       {block.x, block.y, block.z},
                       shared_bytes,
                       ctx.stream,
                       arguments});
#else
  simt::launch({name, grid, block, shared_bytes, ctx.stream}, kernel, args...);
#endif
}

}  // namespace lamella
