// Operand values for a case, the same on every machine and device.
#pragma once

#include <cstdint>
#include <string>

#include "tests/ops/op_case.h"

namespace lamella::test {

// A number of this text for seeding, stable across machines (FNV-1a).
std::uint64_t hash_of(const std::string& text);

// Dense values of every operand, each exactly a value of the type it is stored in.
std::vector<Values> make_operands(const OpCase& test_case);
// A random cotangent or direction of `count` floats in [-1, 1).
Values random_values(std::int64_t count, std::uint64_t seed, std::uint32_t substream);

}  // namespace lamella::test
