// The kernel calls of a network of tests/shapes: of each layer, forward and backward.
#pragma once

#include <string>
#include <vector>

#include "kernels/calls/kernel_call.h"
#include "tools/count_call.h"

namespace lamella {

// Each distinct call once, with `dtype` in place of the type the file names.
// LAMELLA_TRAFFIC_ENTRIES=relu_fwd,copy in the environment leaves in these entries alone, as one
// who changes a kernel may want (tools/mutate_kernels.py).
std::vector<KernelCall> network_calls(const std::string& network, const std::string& dtype);

bool only_some_entries();

// Convolution and linear, which are matrix products.
bool is_product(const KernelCall& call);

// Every request to global memory touches as few sectors as its bytes would fill, one more where
// rows of pixels do not begin at multiples of 32 bytes.
void expect_tight_requests(const tool::CountedCall& counted);

}  // namespace lamella
