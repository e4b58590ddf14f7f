// Several models that judge the same images together.
#pragma once

#include <span>
#include <vector>

#include "train/evaluate.h"

namespace lamella {

// Of each image the mean of the members' probabilities. The members judged the same images in the
// same order; throws Error where they did not.
Evaluation mean_of(std::span<const Evaluation> members);

// The class that most members chose; of equals the one of the higher mean probability.
Confusion majority_of(std::span<const Evaluation> members);

}  // namespace lamella
