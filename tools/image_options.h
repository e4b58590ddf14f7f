// The options that say how images become tensors.
#pragma once

#include <string>

#include "io/augment.h"
#include "io/preprocess.h"
#include "tools/common.h"

namespace lamella::tool {

struct ImageOptions {
  std::int64_t size = 256, channels = 1;
  std::string normalise = "zscore";
  Preprocess preprocess() const;  // throws UsageError
};
void add_image_options(CLI::App& parser, ImageOptions& options);

// "flips,turns,crop" in any order and number, or "none". The crop is drawn from the image with a
// border of an eighth of its size, mirrored. Throws UsageError.
AugmentOptions parse_augment(const std::string& list, std::int64_t size);

}  // namespace lamella::tool
