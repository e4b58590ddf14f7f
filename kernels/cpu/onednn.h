// What onednn.cpp (or no_onednn.cpp, where built without oneDNN) offers to the rest of this folder.
#pragma once

#include <string>

#include "kernels/cpu/conv_choice.h"
#include "kernels/fused_conv.h"
#include "kernels/kernel_table.h"

namespace lamella::cpu {

// The entries oneDNN can do, others null; null when built without it. `isa` (v2, v3, v4) bounds the
// instructions it may use, unless DNNL_MAX_CPU_ISA or ONEDNN_MAX_CPU_ISA already does.
const KernelTable* onednn_table(const char* isa);

// Convolution at inference by oneDNN, never normalised; layouts from kFirstOnednnLayout on, 0 where
// it has only reference code. Null when built without it.
inline constexpr std::uint64_t kFirstOnednnLayout = 16;
const FusedConvolution* onednn_fused();

std::string onednn_version();

// What oneDNN calls the code it would run, such as "brgconv:avx512_core"; empty when it has nothing
// better than reference code, so that the own kernels are used.
std::string onednn_implementation(ConvKind kind, const Conv2dShape& shape, int threads);

}  // namespace lamella::cpu
