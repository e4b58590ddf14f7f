// What a result may differ from its oracle. f32: relative L2. The 16-bit types: the oracle runs on
// rounded operands and its result is rounded; then 99.9 % of the elements lie within one unit in
// the last place (or within what f32 may differ, where terms cancel), and the relative L2 holds.
#pragma once

#include <string>

#include "tests/ops/op_case.h"

namespace lamella::test {

// The nearest value of the type, ties to even.
double rounded(double value, DType dtype);
void round_to(DType dtype, Values& values);
// The distance from |value| to the next value of the type above it.
double unit_in_last_place(double value, DType dtype);

// The type in which an operand, and its gradient, is stored.
inline DType dtype_of(const OpCase& test_case, const Operand& operand) {
  return operand.has_dtype_of_case() ? test_case.dtype : DType::F32;
}
inline DType dtype_of_y(const OpCase& test_case) {
  return test_case.y_dtype.value_or(test_case.dtype);
}
// Relative L2 that a result of this type may be off, given what the case allows in f32.
double tolerance_of(const OpCase& test_case, DType dtype);

// |found - expected| / |expected| in the Euclidean norm; the absolute error where expected is 0.
// NaN where a value is NaN.
double relative_l2(const Values& found, const Values& expected);
// Empty, or a sentence that says where `found`, stored in `dtype`, is off.
std::string compare(const OpCase& test_case, const std::string& name, const Values& found,
                    const Values& expected, DType dtype);

}  // namespace lamella::test
