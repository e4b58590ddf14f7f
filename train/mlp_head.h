// The head with one hidden layer: linear, ReLU, dropout, linear. Private to train/.
#pragma once

#include "train/head.h"

namespace lamella {

// As train_heads(), for Mlp: Adam on shuffled batches, the rate falling along a cosine; dropout and
// the order of samples are drawn from the seed, the same for every strength.
std::vector<std::unique_ptr<Head>> train_mlp_heads(Context& ctx, const LabelledFeatures& features,
                                                   const HeadOptions& options,
                                                   const std::vector<double>& l2);

}  // namespace lamella
