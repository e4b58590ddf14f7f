// Channel conversion, fitting, cropping, normalisation, and their text form.
#include "io/preprocess.h"

#include <charconv>
#include <cmath>

#include "engine/errors.h"

namespace lamella {
namespace {

constexpr std::int64_t kMaxExtent = 1 << 15;  // of a network's input; keeps hostile metadata out

std::string join(const std::vector<float>& values) {
  std::string joined;
  for (const float value : values) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    if (!joined.empty()) joined += ',';
    joined.append(digits, end);
  }
  return joined;
}

template <class Number>
Number parse_number(const std::string& key, const std::string& value) {
  Number number{};
  const char* end = value.data() + value.size();
  const auto result = std::from_chars(value.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end) {
    fail("preprocessing: ", key, " is '", value, "', which is not a number");
  }
  return number;
}

std::vector<float> parse_list(const std::string& key, const std::string& value) {
  std::vector<float> list;
  for (std::size_t begin = 0; begin < value.size();) {
    const std::size_t end = std::min(value.find(',', begin), value.size());
    list.push_back(parse_number<float>(key, value.substr(begin, end - begin)));
    begin = end + 1;
  }
  return list;
}

const std::string& require(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) fail("preprocessing: ", key, " is missing");
  return found->second;
}

// The first name for false, the second for true.
bool parse_choice(const Metadata& metadata, const std::string& key, const char* first,
                  const char* second) {
  const std::string& value = require(metadata, key);
  if (value != first && value != second) {
    fail("preprocessing: ", key, " is '", value, "'; it must be ", first, " or ", second);
  }
  return value == second;
}

}  // namespace

void check(const Preprocess& preprocess) {
  const auto& p = preprocess;
  if (p.height < 1 || p.width < 1 || p.height > kMaxExtent || p.width > kMaxExtent) {
    fail("preprocessing: the size is ", p.height, "x", p.width, "; both must be in 1..",
         kMaxExtent);
  }
  if (p.channels != 1 && p.channels != 3) {
    fail("preprocessing: ", p.channels, " channels were asked for; it must be 1 or 3");
  }
  if (p.margin < 0 || p.margin > kMaxExtent) {
    fail("preprocessing: margin is ", p.margin, "; it must be in 0..", kMaxExtent);
  }
  if (p.normalise == Normalise::PerImage) return;
  const auto channels = static_cast<std::size_t>(p.channels);
  if (p.mean.size() != channels || p.std.size() != channels) {
    fail("preprocessing: there are ", p.mean.size(), " means and ", p.std.size(),
         " standard deviations but ", p.channels, " channels");
  }
  for (std::size_t c = 0; c < channels; ++c) {
    if (!(p.std[c] > 0.0F) || !std::isfinite(p.std[c]) || !std::isfinite(p.mean[c])) {
      fail("preprocessing: channel ", c, " has mean ", p.mean[c], " and standard deviation ",
           p.std[c], "; they must be finite and the latter above 0");
    }
  }
}

Image convert_channels(const Image& image, std::int64_t channels) {
  if (image.channels == channels) return image;
  Image converted{image.height, image.width, channels, image.bit_depth, {}};
  const auto pixels = static_cast<std::size_t>(image.height * image.width);
  converted.samples.reserve(pixels * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < pixels; ++i) {
    if (channels == 3) {
      converted.samples.insert(converted.samples.end(), 3, image.samples[i]);
    } else {
      const std::uint16_t* rgb = image.samples.data() + 3 * i;
      const auto sum = std::uint64_t{19595} * rgb[0] + std::uint64_t{38470} * rgb[1] +
                       std::uint64_t{7471} * rgb[2] + 0x8000;
      converted.samples.push_back(static_cast<std::uint16_t>(sum >> 16U));
    }
  }
  return converted;
}

Image fit_image(const Image& image, const Preprocess& preprocess) {
  if (preprocess.exif == Exif::Apply && image.orientation != 1) {
    return fit_image(upright(image), preprocess);
  }
  const std::int64_t least_height = preprocess.height + preprocess.margin;
  const std::int64_t least_width = preprocess.width + preprocess.margin;
  std::int64_t height = least_height, width = least_width;
  if (preprocess.resize == ResizeRule::ShortSide) {
    // The side that needs the larger factor is met exactly, the other one is rounded down.
    const bool height_binds = least_height * image.width >= least_width * image.height;
    if (height_binds) {
      width = std::max(least_width, least_height * image.width / image.height);
    } else {
      height = std::max(least_height, least_width * image.height / image.width);
    }
  }
  return resize(convert_channels(image, preprocess.channels), height, width,
                preprocess.interpolation);
}

std::int64_t centre_offset(std::int64_t room) {
  const std::int64_t half = room / 2;
  return room % 2 == 1 && half % 2 == 1 ? half + 1 : half;
}

Image crop(const Image& image, std::int64_t y, std::int64_t x, std::int64_t height,
           std::int64_t width) {
  if (y < 0 || x < 0 || height < 1 || width < 1 || y + height > image.height ||
      x + width > image.width) {
    fail("crop: ", height, "x", width, " pixels from row ", y, ", column ", x,
         " do not lie in an image of ", image.height, "x", image.width);
  }
  Image cropped{height, width, image.channels, image.bit_depth, {}};
  cropped.samples.reserve(static_cast<std::size_t>(height * width * image.channels));
  for (std::int64_t row = y; row < y + height; ++row) {
    const auto begin = image.samples.begin() + (row * image.width + x) * image.channels;
    cropped.samples.insert(cropped.samples.end(), begin, begin + width * image.channels);
  }
  return cropped;
}

void normalise(const Image& image, const Preprocess& preprocess, float* out) {
  const std::size_t count = image.samples.size();
  if (preprocess.normalise == Normalise::Fixed) {
    const auto channels = static_cast<std::size_t>(image.channels);
    const auto scale = 1.0F / static_cast<float>(image.max_sample());
    for (std::size_t i = 0; i < count; ++i) {
      const float value = static_cast<float>(image.samples[i]) * scale;
      out[i] = (value - preprocess.mean[i % channels]) / preprocess.std[i % channels];
    }
    return;
  }
  // Sums of differences from the first sample are exact integers, and 0 for a constant image.
  const std::int64_t first = image.samples.front();
  std::int64_t sum = 0, squares = 0;
  for (const std::uint16_t sample : image.samples) {
    const std::int64_t difference = sample - first;
    sum += difference;
    squares += difference * difference;
  }
  const auto n = static_cast<double>(count);
  const double shifted_mean = static_cast<double>(sum) / n;
  const double variance = static_cast<double>(squares) / n - shifted_mean * shifted_mean;
  const double mean = static_cast<double>(first) + shifted_mean;
  const double scale = squares > 0 ? 1.0 / std::sqrt(variance) : 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>((image.samples[i] - mean) * scale);
  }
}

std::vector<float> prepare_image(const Image& image, const Preprocess& preprocess) {
  check(preprocess);
  const Image fitted = fit_image(image, preprocess);
  const Image centre =
      crop(fitted, centre_offset(fitted.height - preprocess.height),
           centre_offset(fitted.width - preprocess.width), preprocess.height, preprocess.width);
  std::vector<float> pixels(centre.samples.size());
  normalise(centre, preprocess, pixels.data());
  return pixels;
}

Metadata to_metadata(const Preprocess& preprocess) {
  Metadata metadata{
      {"preprocess.height", std::to_string(preprocess.height)},
      {"preprocess.width", std::to_string(preprocess.width)},
      {"preprocess.channels", std::to_string(preprocess.channels)},
      {"preprocess.resize", preprocess.resize == ResizeRule::Stretch ? "stretch" : "short_side"},
      {"preprocess.interpolation",
       preprocess.interpolation == Interpolation::Bilinear ? "bilinear" : "bicubic"},
      {"preprocess.margin", std::to_string(preprocess.margin)},
      {"preprocess.exif", preprocess.exif == Exif::Ignore ? "ignore" : "apply"},
      {"preprocess.normalise", preprocess.normalise == Normalise::Fixed ? "fixed" : "per_image"}};
  if (preprocess.normalise == Normalise::Fixed) {
    metadata["preprocess.mean"] = join(preprocess.mean);
    metadata["preprocess.std"] = join(preprocess.std);
  }
  return metadata;
}

Preprocess preprocess_from_metadata(const Metadata& metadata) {
  const auto integer = [&](const std::string& key) {
    return parse_number<std::int64_t>(key, require(metadata, key));
  };
  Preprocess preprocess;
  preprocess.height = integer("preprocess.height");
  preprocess.width = integer("preprocess.width");
  preprocess.channels = integer("preprocess.channels");
  preprocess.margin = integer("preprocess.margin");
  if (parse_choice(metadata, "preprocess.resize", "stretch", "short_side")) {
    preprocess.resize = ResizeRule::ShortSide;
  }
  if (metadata.contains("preprocess.interpolation") &&
      parse_choice(metadata, "preprocess.interpolation", "bilinear", "bicubic")) {
    preprocess.interpolation = Interpolation::Bicubic;
  }
  if (metadata.contains("preprocess.exif") &&
      parse_choice(metadata, "preprocess.exif", "ignore", "apply")) {
    preprocess.exif = Exif::Apply;
  }
  if (parse_choice(metadata, "preprocess.normalise", "per_image", "fixed")) {
    preprocess.normalise = Normalise::Fixed;
    preprocess.mean = parse_list("preprocess.mean", require(metadata, "preprocess.mean"));
    preprocess.std = parse_list("preprocess.std", require(metadata, "preprocess.std"));
  }
  check(preprocess);
  return preprocess;
}

std::string describe(const Preprocess& p) {
  const std::int64_t height = p.height + p.margin, width = p.width + p.margin;
  const bool square = height == width && p.resize == ResizeRule::ShortSide;
  std::string words = text(p.channels, p.channels == 1 ? " channel" : " channels");
  if (square) {
    words += text(", short side to ", height);
  } else {
    words += text(", ", p.resize == ResizeRule::Stretch ? "resized to " : "resized to cover ",
                  height, "x", width);
  }
  words += p.interpolation == Interpolation::Bilinear ? " (bilinear)" : " (bicubic)";
  if (p.margin > 0 || p.resize == ResizeRule::ShortSide) {
    words += text(", centre ", p.height, "x", p.width);
  }
  if (p.exif == Exif::Apply) words += ", upright by EXIF";
  if (p.normalise == Normalise::PerImage) return words + ", z-score per image";
  return words + ", mean " + join(p.mean) + ", std " + join(p.std);
}

}  // namespace lamella
