// Bf16 and F16, the 16-bit storage types: converted by static_cast, from and to float only.
#pragma once

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace lamella {
using Bf16 = __nv_bfloat16;
using F16 = __half;
}  // namespace lamella
#else
#include "kernels/half.h"
#endif
