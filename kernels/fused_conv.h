// Convolution at inference, as one call with what stands around it: batch norm and ReLU before it,
// bias and ReLU behind it, and filters that were brought once into the layout that the backend
// computes with. A backend may offer it; the engine does without where it does not.
#pragma once

#include <cstdint>

#include "kernels/kernel_table.h"

namespace lamella {

// y = r(n(x) * w + bias): n is batch norm with its ReLUs where `normalised`, else nothing; r is
// max(., 0) where `relu`, else nothing. norm.conv is the convolution, f32.
struct FusedConv2dShape {
  NormConv2dShape norm;
  bool normalised = false;
  bool relu = false;
};

struct FusedConvolution {
  // Names the layout of packed filters that `run` takes for this shape; filters packed for one
  // shape serve every other of the same layout that has the same filters. 0: there is none, and
  // conv2d_fwd does as well.
  std::uint64_t (*layout)(const KernelContext&, const FusedConv2dShape&) = nullptr;
  std::int64_t (*packed_bytes)(const KernelContext&, const FusedConv2dShape&) = nullptr;
  // w is dense [K,R,S,C].
  void (*pack)(const KernelContext&, const FusedConv2dShape&, const void* w,
               void* packed) = nullptr;
  // `layout` is that of the shape. mean, var, gamma and beta are read where `normalised`; bias may
  // be null.
  void (*run)(const KernelContext&, const FusedConv2dShape&, const void* x, const float* mean,
              const float* var, const float* gamma, const float* beta, std::uint64_t layout,
              const void* packed, const float* bias, void* y) = nullptr;
};

}  // namespace lamella
