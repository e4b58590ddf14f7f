// Gradients in double by central differences of <ref(x), dy>, and the comparison of computed ones
// with them.
#pragma once

#include <string>
#include <vector>

#include "tests/ops/op_case.h"

namespace lamella::test {

// f32 cases only. Empty when `found` is the gradient of <ref(in), dy> by operand number `which`,
// else a line with a sentence. Small operands are differenced element by element; of large ones a
// sample of elements, and random directions u: the error of <found, u> is, for almost every u, that
// of `found` itself.
std::string check_gradient(const OpCase& test_case, const std::vector<Values>& in, const Values& dy,
                           std::size_t which, const Values& found);

}  // namespace lamella::test
