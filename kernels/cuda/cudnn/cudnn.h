// Convolution by cuDNN 9. The library is loaded when it is first asked for; where it is missing,
// this one works as before.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/kernel_table.h"

namespace lamella::cuda {

enum class ConvKind : std::uint8_t { Forward, BackwardData, BackwardWeight };

struct CudnnPlan {
  std::string engine;          // as cuDNN numbers it: "engine 40"
  std::int64_t workspace = 0;  // bytes
  int tried = 0;               // configurations before it that were refused
};

// Why cuDNN cannot be used in this process, as a sentence; empty where it can.
const std::string& cudnn_problem();
std::string cudnn_version();  // "cuDNN 9.19.0"; only without a problem

// What cuDNN would run on a device that need not be here, described as cuDNN itself describes one:
// {"deviceVer": 900, "multiProcessorCount": 132, ...}. Throws std::runtime_error where it has no
// plan that keeps to the rules (cudnn.cpp).
CudnnPlan cudnn_plan(ConvKind kind, const Conv2dShape& shape, Write write,
                     const std::string& device);

// `own` with cuDNN before its convolutions, which go on to do what cuDNN does not: slices, biases,
// operands that are not aligned to 16 bytes, no images at all, and whatever it has no plan for. To
// be made once in a process. Throws std::runtime_error where there is a cudnn_problem().
KernelTable with_cudnn(const KernelTable& own);

}  // namespace lamella::cuda
