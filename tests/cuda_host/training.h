// A training step as `lamella train` makes it, from the making of the network on.
#pragma once

#include <string>
#include <vector>

#include "models/model.h"
#include "train/optimiser.h"

namespace lamella::cuda_host {

// DenseNet of two blocks of two layers; every other network is one of model_names().
inline constexpr const char* kTwoBlocks = "densenet of two blocks";

struct StepOptions {
  OptimiserOptions optimiser = {};
  bool draw = true;      // the weights; else they are what memory holds
  bool results = false;  // returned are, behind the loss, all parameters and running statistics
};

// Makes the network on ctx and trains it on a batch of two images. Returns the loss.
std::vector<std::vector<float>> train_once(Context& ctx, const ModelSpec& spec,
                                           const StepOptions& options = {});

}  // namespace lamella::cuda_host
