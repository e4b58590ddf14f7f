// Values that this program and a peer in another language make alike, to the last bit: element i of
// an operand is k(i + seed of its name) with k(j) = (j^3 mod P - (P-1)/2) / 2^19, P = 1048571. P is
// a prime of the form 3n + 2, so cubing permutes 0..P-1: no two of P elements in a row are equal,
// and a pooling window has one winner. bench/peers/torch_ops.py has the same formula.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lamella::bench {

// Around 0: k + 1/4. Around another value: that plus k/2, so positive around 1.
std::vector<float> formula_values(const std::string& name, std::int64_t count, float around);

// The sum over i of values[i] * k(i).
double formula_projection(const std::vector<float>& values);

}  // namespace lamella::bench
