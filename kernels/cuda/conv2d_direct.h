// The direct form of convolution, for images of few channels (conv2d_direct.cu).
#pragma once

#include "kernels/cuda/common.h"

namespace lamella::cuda {

// Whether the shape has one: at most 4 channels, and filters that fit into shared memory.
bool has_direct_form(const Conv2dShape& s);
// As conv2d_fwd of the kernel table.
void conv2d_direct_fwd(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                       const float* bias, void* y);

}  // namespace lamella::cuda
