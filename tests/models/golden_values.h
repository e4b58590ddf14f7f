// Weights and inputs of the goldens, made from names by the same rules as tests/goldens/philox.py
// and make_goldens.py, so that none of them is stored.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "layers/module.h"

namespace lamella::golden {

// 64-bit FNV-1a over the bytes of a name; the seed of everything made from it.
std::uint64_t seed_of(const std::string& name);

// `count` numbers, uniform in (low, high), addressed by the name alone.
std::vector<float> values(const std::string& name, std::int64_t count, double low, double high);

// The values of a network's parameter: weights uniform in +-sqrt(3 / fan_in), scales and running
// variances in (0.5, 1.5), all else in (-0.2, 0.2).
std::vector<float> parameter_values(const std::string& model, const Parameter& parameter);

// 32 sums of all values, each with its own random signs: sum j takes value e with the sign of bit j
// of word e of the sequence "sketch". Its relative L2 error estimates that of the whole tensor
// (within about 12 %), so that a golden can say much about a large tensor in 256 bytes.
std::vector<double> sketch(std::span<const float> values);

// L2 norm of a - b over that of b; of b = 0, the norm of a.
double relative_error(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace lamella::golden
