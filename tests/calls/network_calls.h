// The kernel calls of a network of tests/shapes: of each layer, forward and backward.
#pragma once

#include <string>
#include <vector>

#include "kernels/calls/kernel_call.h"

namespace lamella {

// Each distinct call once, with `dtype` in place of the type the file names.
// LAMELLA_TRAFFIC_ENTRIES=relu_fwd,copy in the environment leaves in these entries alone, as one
// who changes a kernel may want (tools/mutate_kernels.py).
std::vector<KernelCall> network_calls(const std::string& network, const std::string& dtype);

// Whether it is set: then fewer calls than a network has are no fault.
bool only_some_entries();

// Convolution and linear, which are matrix products.
bool is_product(const KernelCall& call);

}  // namespace lamella
