// The plan of one convolution. Private to this folder.
//
// Which plan: the first of cuDNN's own order (heuristic mode A, then its fallback list) that gives
// the same bits every time, multiplies f32 in f32 (not TF32), sums in f32, uses no FFT and, in 16
// bits, no Winograd form, and takes at most kWorkspaceCap.
//
// Tensors are dense [N,H,W,C], filters [K,R,S,C]; cuDNN names dimensions in the order N,C,H,W and
// takes the layout from the strides.
#pragma once

#include "kernels/cuda/cudnn/cudnn.h"
#include "kernels/cuda/cudnn/library.h"

#ifdef LAMELLA_HAS_CUDNN
#include <vector>

namespace lamella::cuda {

constexpr std::int64_t kWorkspaceCap = std::int64_t{256} << 20;
constexpr std::int64_t kAlignment = 16;  // of every operand
// What operands are called in a variant pack. Of backward data x is dx, of backward weight w is dw.
enum Uid : std::int64_t { kX = 1, kW = 2, kY = 3 };

struct Plan {
  Descriptor descriptor;
  std::vector<Descriptor> made_of;  // kept alive with it
  CudnnPlan facts;
};

// Throws std::runtime_error where there is none.
Plan best_plan(ConvKind kind, const Conv2dShape& s, Write write, const Descriptor& device);

}  // namespace lamella::cuda
#endif
