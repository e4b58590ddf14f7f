// The kernels of this library are those of the emulator, and so is what runs them; but on the way
// from the one to the other lie the launch door of the `cuda` backend and the runtime behind it.
#include "kernels/simt/launch.h"

#include "kernels/cuda/runtime.h"
#include "kernels/simt/scheduler.h"
#include "kernels/simt/settings.h"
#include "tests/cuda_host/stand_in.h"

namespace lamella {

void simt::run_grid(const LaunchShape& shape, const KernelCall& call) {
  void* arguments[] = {const_cast<KernelCall*>(&call)};
  cuda::launch_kernel({shape.name,
                       call.function,
                       {shape.grid.x, shape.grid.y, shape.grid.z},
                       {shape.block.x, shape.block.y, shape.block.z},
                       shape.shared_bytes,
                       shape.stream,
                       arguments});
}

void cuda_host::run_kernel(const cuda::KernelLaunch& launch) {
  const auto& call = *static_cast<const simt::KernelCall*>(launch.arguments[0]);
  const simt::LaunchShape shape{launch.name,
                                {launch.grid.x, launch.grid.y, launch.grid.z},
                                {launch.block.x, launch.block.y, launch.block.z},
                                launch.shared_bytes,
                                launch.stream};
  simt::Scheduler::mine().run(shape, call, simt::order_seed());
}

}  // namespace lamella
