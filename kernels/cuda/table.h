// The kernel table of the hand-written kernels: what `cuda` runs on a GPU and `simt` on the CPU.
#pragma once

#include "kernels/kernel_table.h"

namespace lamella {

// Every entry is set.
const KernelTable& cuda_kernel_table();

}  // namespace lamella
