// A network and a linear head that was trained on its features, as one weight file.
#pragma once

#include <string>

#include "train/features.h"
#include "train/head_choice.h"

namespace lamella::tool {

// Writes the network cut behind the features' layer, its weights from `weights` (empty: the file
// the features came from), the head with the standardisation folded into it, and the card. Throws
// Error where the weights are not those that made the features. `trained` must hold a LinearHead.
void write_head_model(Context& ctx, const std::string& path, const FeatureSet& set,
                      const std::string& weights, const StandardisedHead& trained);

}  // namespace lamella::tool
