// The instruction sets this library was compiled for.
#pragma once

#include <span>

#include "kernels/kernel_table.h"

namespace lamella::cpu {

struct Isa {
  const char* name;         // as in LAMELLA_CPU_ISA
  const char* description;  // for people
  bool (*supported)();      // by this processor
  KernelTable (*kernel_table)();
};

// From the lowest up; the first is always supported.
std::span<const Isa> instruction_sets();

}  // namespace lamella::cpu
