// Where the words of CUDA come from: the toolkit under nvcc, the emulator elsewhere.
#pragma once

#if defined(__CUDACC__)
#include <cuda_runtime.h>

namespace lamella {
// 16 bytes moved by one access, whatever type lies there.
using Raw16 = uint4;
}  // namespace lamella
#else
#include "kernels/simt/language.h"
#endif
