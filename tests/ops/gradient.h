// Gradients in double by central differences of <ref(x), dy>, and the comparison of computed ones
// with them.
#pragma once

#include <string>
#include <vector>

#include "tests/ops/op_case.h"

namespace lamella::test {

// |found - expected| / |expected| in the Euclidean norm; the absolute error where expected is 0.
// NaN where a value is NaN.
double relative_l2(const std::vector<double>& found, const std::vector<double>& expected);

// Empty when `found` is the gradient of <ref(in), dy> by operand number `which`, else a sentence.
// Small operands are differenced element by element; of large ones a sample of elements, and random
// directions u: the error of <found, u> is, for almost every u, that of `found` itself.
std::string check_gradient(const OpCase& test_case, const std::vector<Values>& in, const Values& dy,
                           std::size_t which, const Values& found);

}  // namespace lamella::test
