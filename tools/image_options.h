// The options that say how images become tensors.
#pragma once

#include <optional>
#include <string>

#include "io/augment.h"
#include "io/preprocess.h"
#include "tools/common.h"

namespace lamella::tool {

struct ImageOptions {
  std::int64_t size = 256, channels = 1;
  std::string normalise = "zscore", exif = "ignore";
  Preprocess preprocess() const;  // throws UsageError
};
void add_image_options(CLI::App& parser, ImageOptions& options);

// How images become tensors, where a weight file may say it: what is not given is left as it is.
struct PreprocessOptions {
  std::optional<std::int64_t> size, channels, margin;
  std::string normalise, resize, interpolation, exif;

  // `preprocess` with what was given in place of its own. Throws UsageError.
  Preprocess over(Preprocess preprocess) const;
  // Throws Error that names `file` where something else was given than the file says.
  void check_agreement(const Preprocess& preprocess, const std::string& file) const;
};
void add_preprocess_options(CLI::App& parser, PreprocessOptions& options);

// Words in any order and number, or "none": flips, turns, crop (drawn from the image with a border
// of an eighth of its size, mirrored), and the amounts of AugmentOptions as "rotate=30", or without
// a number for a usual one. Throws UsageError.
AugmentOptions parse_augment(const std::string& list, std::int64_t size);
extern const char* const kAugmentHelp;

}  // namespace lamella::tool
