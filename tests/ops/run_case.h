// Runs one case on one device and checks everything that an OpCase implies.
#pragma once

#include <string>

#include "tests/ops/device.h"
#include "tests/ops/op_case.h"

namespace lamella::test {

// Empty when all is well, else one sentence per line:
//  - forward, and state updated in place, against the oracle (relative L2);
//  - gradients against central differences, in double, of <ref(x), dy> with a random dy;
//  - the first backward overwrites NaN poison, the second one adds;
//  - NaN is left nowhere, guards around every allocation and the gaps of slices are intact, and
//    operands that are inputs only keep their bits;
//  - a rerun gives the same bits, on simt with another order of threads.
std::string run_case(const OpCase& test_case, const Device& device);

}  // namespace lamella::test
