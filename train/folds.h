// The folds of a cross-validation: groups are never torn, classes spread as evenly as they allow.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lamella {

// The fold, 0 <= fold < folds, of every sample; samples of equal group have the same. A group
// belongs to the class most of its samples have. Groups, shuffled by Rng(seed, RngStream::Split,
// 2^32-1) and then put in order of size, largest first, go one by one to the fold with the fewest
// samples of the group's class; of these to the one with the fewest samples, of these to the first.
// Throws Error for fewer than two folds, and for fewer groups than folds.
std::vector<int> grouped_folds(const std::vector<std::int32_t>& labels,
                               const std::vector<std::string>& groups, int folds,
                               std::uint64_t seed);

}  // namespace lamella
