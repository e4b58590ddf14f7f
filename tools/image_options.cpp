#include "tools/image_options.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "engine/errors.h"
#include "tools/common.h"
#include "tools/lists.h"

namespace lamella::tool {
namespace {

std::vector<float> numbers(const std::string& list) {
  std::vector<float> values;
  for (const std::string& word : split_list(list)) {
    const double value = number_in(word);
    if (std::isnan(value)) {
      throw UsageError("--normalise: '" + word + "' is no number; write mean/std as in 0.5/0.25");
    }
    values.push_back(static_cast<float>(value));
  }
  return values;
}

// "zscore", or "mean/std".
void set_normalise(Preprocess& preprocess, const std::string& normalise) {
  preprocess.normalise = Normalise::PerImage;
  preprocess.mean = preprocess.std = {};
  if (normalise == "zscore") return;
  const std::size_t slash = normalise.find('/');
  if (slash == std::string::npos) {
    throw UsageError("--normalise " + normalise + " is neither zscore nor mean/std");
  }
  preprocess.normalise = Normalise::Fixed;
  preprocess.mean = numbers(normalise.substr(0, slash));
  preprocess.std = numbers(normalise.substr(slash + 1));
}

// What the library refuses of options given by hand is an error of usage.
template <typename Options>
const Options& checked(const Options& options) {
  try {
    check(options);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  return options;
}

constexpr const char* kNormaliseHelp =
    "zscore (per image), or mean/std on the scale 0 to 1, one or one per channel";
constexpr const char* kExifHelp = "of JPEG images: apply or ignore the orientation in them";

}  // namespace

Preprocess ImageOptions::preprocess() const {
  Preprocess result;
  result.height = result.width = size;
  result.channels = channels;
  result.exif = exif == "apply" ? Exif::Apply : Exif::Ignore;
  set_normalise(result, normalise);
  return checked(result);
}

void add_image_options(CLI::App& parser, ImageOptions& options) {
  parser.add_option("--size", options.size, "pixels of a side that images are resized to")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  parser.add_option("--channels", options.channels, "1: gray, 3: RGB")->capture_default_str();
  parser.add_option("--normalise", options.normalise, kNormaliseHelp)->capture_default_str();
  parser.add_option("--exif", options.exif, kExifHelp)
      ->check(CLI::IsMember({"ignore", "apply"}))
      ->capture_default_str();
}

Preprocess PreprocessOptions::over(Preprocess preprocess) const {
  if (size) preprocess.height = preprocess.width = *size;
  if (channels) preprocess.channels = *channels;
  if (margin) preprocess.margin = *margin;
  if (!normalise.empty()) set_normalise(preprocess, normalise);
  if (!resize.empty()) {
    preprocess.resize = resize == "stretch" ? ResizeRule::Stretch : ResizeRule::ShortSide;
  }
  if (!exif.empty()) preprocess.exif = exif == "apply" ? Exif::Apply : Exif::Ignore;
  if (!interpolation.empty()) {
    preprocess.interpolation =
        interpolation == "bilinear" ? Interpolation::Bilinear : Interpolation::Bicubic;
  }
  return checked(preprocess);
}

void PreprocessOptions::check_agreement(const Preprocess& preprocess,
                                        const std::string& file) const {
  const Metadata said = to_metadata(preprocess), asked = to_metadata(over(preprocess));
  for (const auto& [key, value] : asked) {
    const auto own = said.find(key);
    if (own != said.end() && own->second == value) continue;
    fail(file, " was made for ", key, " = ", own == said.end() ? "none" : own->second, ", and ",
         value, " was asked for; leave the option out, or name another weight file");
  }
}

void add_preprocess_options(CLI::App& parser, PreprocessOptions& options) {
  const auto add = [&](const char* name, auto& value, const char* help) {
    return parser.add_option(name, value, help)->group("Images (default: what the weights expect)");
  };
  add("--size", options.size, "pixels of a side")->check(CLI::Range(1, 16384));
  add("--channels", options.channels, "1: gray, 3: RGB")->check(CLI::IsMember({1, 3}));
  add("--normalise", options.normalise, kNormaliseHelp);
  add("--resize", options.resize, "stretch, or short_side (aspect kept, the centre cut out)")
      ->check(CLI::IsMember({"stretch", "short_side"}));
  add("--margin", options.margin, "pixels resized for beyond --size and cut off again")
      ->check(CLI::Range(0, 16384));
  add("--interpolation", options.interpolation, "bilinear or bicubic")
      ->check(CLI::IsMember({"bilinear", "bicubic"}));
  add("--exif", options.exif, kExifHelp)->check(CLI::IsMember({"ignore", "apply"}));
}

const char* const kAugmentHelp =
    "none, or any of flips, turns, crop, rotate=15 (degrees), translate=0.1 and resized-crop=0.5 "
    "(shares), brightness=0.2, contrast=0.2, saturation=0.2, blur=1 (pixels), noise=0.02, with "
    "commas between; these numbers may be left out";

AugmentOptions parse_augment(const std::string& list, std::int64_t size) {
  AugmentOptions options;
  if (list == "none") return options;
  struct Amount {
    const char* name;
    double* value;
    double usual;
  };
  const Amount amounts[] = {{"rotate", &options.rotate, 15},
                            {"translate", &options.translate, 0.1},
                            {"resized-crop", &options.resized_crop, 0.5},
                            {"brightness", &options.brightness, 0.2},
                            {"contrast", &options.contrast, 0.2},
                            {"saturation", &options.saturation, 0.2},
                            {"blur", &options.blur, 1},
                            {"noise", &options.noise, 0.02}};
  for (const std::string& word : split_list(list)) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const auto amount = std::find_if(std::begin(amounts), std::end(amounts),
                                     [&](const Amount& a) { return name == a.name; });
    if (amount != std::end(amounts)) {
      *amount->value =
          equals == std::string::npos ? amount->usual : number_in(word.substr(equals + 1));
      if (std::isnan(*amount->value)) {
        throw UsageError("--augment: '" + word + "' has no number after '='");
      }
    } else if (word == "flips") {
      options.flip_horizontal = options.flip_vertical = true;
    } else if (word == "turns") {
      options.quarter_turns = true;
    } else if (word == "crop") {
      options.random_crop = true;
      options.pad = size / 8;
    } else {
      throw UsageError("--augment: there is no '" + word + "'; use " + kAugmentHelp);
    }
  }
  return checked(options);
}

}  // namespace lamella::tool
