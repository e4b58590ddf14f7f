// The direct form of convolution, for images of at most 4 channels whose filters fit into shared
// memory (conv2d_direct.cu). Contracts: those of the kernel table.
#pragma once

#include "kernels/cuda/common.h"

namespace lamella::cuda {

bool has_direct_fwd(const Conv2dShape& s);
void conv2d_direct_fwd(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                       const float* bias, void* y);

bool has_direct_bwd_weight(const Conv2dShape& s);
void conv2d_direct_bwd_weight(const KernelContext& ctx, const Conv2dShape& s, const void* x,
                              const void* dy, void* dw, Write write);

}  // namespace lamella::cuda
