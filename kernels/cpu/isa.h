// The instruction sets this library was compiled for.
#pragma once

#include <span>

#include "kernels/fused_conv.h"

namespace lamella::cpu {

struct Isa {
  const char* name;         // as in LAMELLA_CPU_ISA
  const char* description;  // for people
  bool (*supported)();      // by this processor
  KernelTable (*kernel_table)();
  FusedConvolution (*fused_convolution)();
};

// From the lowest up; the first is always supported.
std::span<const Isa> instruction_sets();

}  // namespace lamella::cpu
