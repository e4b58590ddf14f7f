// Convolutions as oneDNN runs them: its primitives, made once for each shape. Private to
// onednn*.cpp, the only files that see it.
#pragma once

#include <dnnl.hpp>
#include <memory>
#include <string>

#include "kernels/cpu/conv_choice.h"

namespace lamella::cpu {

// What stands behind a convolution.
struct Epilogue {
  bool bias = false, relu = false;
};

// A primitive and the layouts it wants; no primitive: oneDNN has only reference code.
struct Plan {
  bool turned = false;  // backward-data run as a forward convolution of dy, taps in reverse
  std::string implementation;
  dnnl::primitive primitive;
  dnnl::memory::desc x, w, y, bias, scratchpad;
  dnnl::primitive reorder_w;  // between ours and the primitive's; empty where they are the same
  dnnl::memory::desc own_w, reorder_scratchpad;
};

const dnnl::engine& cpu_engine();

// Plans are kept by everything that decides them. A primitive keeps the number of threads that it
// was made for.
std::shared_ptr<const Plan> find_plan(ConvKind kind, const Conv2dShape& shape, Epilogue epilogue,
                                      int threads);

}  // namespace lamella::cpu
