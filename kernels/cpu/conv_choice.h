// Which algorithm computes a convolution, and whether oneDNN or the own kernels run it. The rules
// are measurements (README.md); compiled once, for the baseline instruction set.
#pragma once

#include "kernels/fused_conv.h"

namespace lamella::cpu {

enum class ConvKind { Forward, BackwardData, BackwardWeight };

// Whether the own kernels use Winograd's form: 3x3 filters of stride 1, enough channels to fill
// vectors and enough tiles to pay for transforming the filters.
bool winograd_suits(ConvKind kind, const Conv2dShape& shape);

// Whether the backend computes this convolution with its own kernels although oneDNN could.
bool own_conv_is_faster(ConvKind kind, const Conv2dShape& shape);

// Turns the convolution entries of a table of own kernels into ones that make this choice on each
// call; changes nothing where built without oneDNN.
void choose_convolutions(KernelTable& table);

// The same choice for convolution at inference.
const FusedConvolution& chosen_fused();

}  // namespace lamella::cpu
