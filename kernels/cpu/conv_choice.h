// Which convolutions the backend gives to oneDNN and which to its own kernels.
#pragma once

#include "kernels/kernel_table.h"

namespace lamella::cpu {

enum class ConvKind { Forward, BackwardData, BackwardWeight };

// Whether the backend computes this convolution with its own kernels although oneDNN could.
bool own_conv_is_faster(ConvKind kind, const Conv2dShape& shape);

// Turns the convolution entries of a table of own kernels into ones that make this choice on each
// call; changes nothing where built without oneDNN.
void choose_convolutions(KernelTable& table);

}  // namespace lamella::cpu
