// The least time a kernel can take on a GPU: its bytes at the memory's speed or its arithmetic at
// the units', whichever takes longer.
#pragma once

#include <string>

#include "kernels/dtype.h"

namespace lamella::tool {

struct Roofline {
  std::string name;
  double gigabytes_per_second = 0;  // of device memory
  double tflops_f32 = 0;            // multiply and add outside tensor cores
  double tflops_16bit = 0;          // bf16 and f16 on tensor cores, dense, f32 accumulation

  // Seconds. Kernels in a 16-bit type may use tensor cores.
  double floor(double bytes, double flops, DType dtype) const;
};

// h100, a100, rtx4090, orin, or a file {"name", "gigabytes_per_second", "tflops_f32",
// "tflops_16bit"}. Throws Error with a sentence.
Roofline find_roofline(const std::string& name_or_file);

}  // namespace lamella::tool
