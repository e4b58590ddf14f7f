#include "tools/image_options.h"

#include <sstream>

#include "engine/errors.h"
#include "tools/common.h"

namespace lamella::tool {
namespace {

std::vector<std::string> words(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

std::vector<float> numbers(const std::string& list) {
  std::vector<float> values;
  for (const std::string& word : words(list)) {
    std::size_t used = 0;
    try {
      values.push_back(std::stof(word, &used));
    } catch (const std::exception&) {
      used = std::string::npos;
    }
    if (used != word.size()) {
      throw UsageError("--normalise: '" + word + "' is no number; write mean/std as in 0.5/0.25");
    }
  }
  return values;
}

}  // namespace

Preprocess ImageOptions::preprocess() const {
  Preprocess result;
  result.height = result.width = size;
  result.channels = channels;
  if (normalise != "zscore") {
    const std::size_t slash = normalise.find('/');
    if (slash == std::string::npos) {
      throw UsageError("--normalise " + normalise + " is neither zscore nor mean/std");
    }
    result.normalise = Normalise::Fixed;
    result.mean = numbers(normalise.substr(0, slash));
    result.std = numbers(normalise.substr(slash + 1));
  }
  try {
    check(result);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  return result;
}

void add_image_options(CLI::App& parser, ImageOptions& options) {
  parser.add_option("--size", options.size, "pixels of a side that images are resized to")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  parser.add_option("--channels", options.channels, "1: gray, 3: RGB")->capture_default_str();
  parser
      .add_option("--normalise", options.normalise,
                  "zscore (per image), or mean/std on the scale 0 to 1, one or one per channel")
      ->capture_default_str();
}

AugmentOptions parse_augment(const std::string& list, std::int64_t size) {
  AugmentOptions options;
  if (list == "none") return options;
  for (const std::string& word : words(list)) {
    if (word == "flips") {
      options.flip_horizontal = options.flip_vertical = true;
    } else if (word == "turns") {
      options.quarter_turns = true;
    } else if (word == "crop") {
      options.random_crop = true;
      options.pad = size / 8;
    } else {
      throw UsageError("--augment: there is no '" + word + "'; use flips, turns, crop or none");
    }
  }
  return options;
}

}  // namespace lamella::tool
