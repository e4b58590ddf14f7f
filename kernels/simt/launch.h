// Entry into the emulator: runs a kernel for every thread of a grid, block after block, on the
// calling host thread, and returns when all have ended.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

#include "kernels/simt/place.h"

namespace lamella::simt {

struct LaunchShape {
  const char* name;
  dim3 grid, block;
  std::size_t shared_bytes;  // of dynamic shared memory
  void* stream;              // which the emulator, running at once, has no use for
};

// A kernel and its arguments, without their types. `arguments` is read by every thread.
struct KernelCall {
  const void* function;
  void (*invoke)(const void* arguments);
  const void* arguments;
  std::size_t argument_bytes;
};

// Throws std::runtime_error when the device would refuse the launch, when threads wait for each
// other in vain, and when memory around a buffer was overwritten.
void run_grid(const LaunchShape& shape, const KernelCall& call);

template <class... Params>
void launch(const LaunchShape& shape, void (*kernel)(Params...),
            std::type_identity_t<Params>... args) {
  // A parameter that kernels take by reference (GRID_CONSTANT) is kept here as a value too.
  using Call = std::tuple<void (*)(Params...), std::remove_cvref_t<Params>...>;
  const Call call(kernel, args...);
  const auto invoke = [](const void* arguments) {
    std::apply([](auto* function, const auto&... values) { function(values...); },
               *static_cast<const Call*>(arguments));
  };
  run_grid(shape, {reinterpret_cast<const void*>(kernel), invoke, &call, sizeof(call)});
}

}  // namespace lamella::simt
