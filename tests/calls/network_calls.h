// The kernel calls of a network of tests/shapes: of each layer, forward and backward.
#pragma once

#include <string>
#include <vector>

#include "kernels/calls/kernel_call.h"

namespace lamella {

// Each distinct call once, with `dtype` in place of the type the file names.
std::vector<KernelCall> network_calls(const std::string& network, const std::string& dtype);

// Convolution and linear, which are matrix products.
bool is_product(const KernelCall& call);

}  // namespace lamella
