// The one include of a kernel file: the CUDA language, the launch door, 16-byte accesses, shared
// memory and reductions. Compiles under nvcc and, against the emulator of kernels/simt, under any
// C++20 compiler for the host; nothing in a kernel file asks which of the two it is.
#pragma once

#include "kernels/cuda/device/async_copy.h"
#include "kernels/cuda/device/block.h"
#include "kernels/cuda/device/half.h"
#include "kernels/cuda/device/language.h"
#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/matrix.h"
#include "kernels/cuda/device/memory.h"
#include "kernels/cuda/device/warp.h"
