#include "io/data_check.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "engine/errors.h"
#include "io/preprocess.h"
#include "io/resize.h"
#include "weights/fnv.h"

namespace lamella {
namespace {

constexpr std::int64_t kThumbnail = 16;
constexpr int kBits = 6;  // of 64 that may differ
constexpr double kCorrelation = 0.98;

using Thumbnail = std::array<float, kThumbnail * kThumbnail>;  // mean 0, norm 1; 0: constant

// Bit 8 y + x: whether pixel (y, x + 1) of the image reduced to 8 x 9 is brighter than (y, x).
std::uint64_t difference_hash(const Image& gray) {
  const Image small = resize(gray, 8, 9);
  std::uint64_t bits = 0;
  for (std::size_t y = 0; y < 8; ++y) {
    for (std::size_t x = 0; x < 8; ++x) {
      const bool rises = small.samples[y * 9 + x + 1] > small.samples[y * 9 + x];
      bits |= std::uint64_t{rises} << (8 * y + x);
    }
  }
  return bits;
}

std::string pixel_hash(const Image& image) {
  Fnv hash;
  hash.add(text(image.height, "x", image.width, "x", image.channels, "x", image.bit_depth));
  hash.add(std::as_bytes(std::span(image.samples)));
  return hash.hex();
}

Thumbnail thumbnail_of(const Image& gray) {
  Thumbnail thumbnail{};
  const Image small = resize(gray, kThumbnail, kThumbnail);
  double sum = 0, squares = 0;
  for (const std::uint16_t sample : small.samples) sum += sample;
  const double mean = sum / static_cast<double>(small.samples.size());
  for (const std::uint16_t sample : small.samples) squares += (sample - mean) * (sample - mean);
  if (squares == 0) return thumbnail;
  std::transform(
      small.samples.begin(), small.samples.end(), thumbnail.begin(),
      [&](std::uint16_t s) { return static_cast<float>((s - mean) / std::sqrt(squares)); });
  return thumbnail;
}

// Of the images seen so far. The hashes that every new image is compared with lie side by side.
class TwinFinder {
 public:
  // The twin of image number `index` among those before it, if it has one.
  std::optional<Twins> add(const Image& image, std::int64_t index) {
    const Image gray = convert_channels(image, 1);
    const std::uint64_t bits = difference_hash(gray);
    const Thumbnail thumbnail = thumbnail_of(gray);
    std::optional<Twins> twins;
    const auto [same, is_new] = first_with_.emplace(pixel_hash(image), index);
    if (!is_new) twins = Twins{same->second, index, true};
    for (std::size_t i = 0; i < bits_.size() && !twins; ++i) {
      if (std::popcount(bits_[i] ^ bits) > kBits) continue;
      const float correlation =
          std::inner_product(thumbnail.begin(), thumbnail.end(), thumbnails_[i].begin(), 0.0F);
      if (correlation >= kCorrelation) twins = Twins{indices_[i], index, false};
    }
    bits_.push_back(bits);
    thumbnails_.push_back(thumbnail);
    indices_.push_back(index);
    return twins;
  }

 private:
  std::vector<std::uint64_t> bits_;
  std::vector<Thumbnail> thumbnails_;
  std::vector<std::int64_t> indices_;
  std::unordered_map<std::string, std::int64_t> first_with_;  // by pixels
};

// Sums over the samples of all images, on the scale 0..1, of up to three channels.
struct Sums {
  std::array<double, 3> sum{}, squares{}, count{};
  bool rgb = false;

  void add(const Image& image) {
    rgb = rgb || image.channels == 3;
    const double most = static_cast<double>(image.max_sample());
    std::array<double, 3> s{}, q{};
    for (std::size_t i = 0; i < image.samples.size(); ++i) {
      const double value = image.samples[i] / most;
      const std::size_t c = image.channels == 3 ? i % 3 : 0;
      s[c] += value, q[c] += value * value;
    }
    for (std::size_t c = 0; c < 3; ++c) {
      const std::size_t from = image.channels == 3 ? c : 0;
      sum[c] += s[from], squares[c] += q[from];
      count[c] += static_cast<double>(image.height * image.width);
    }
  }
  void write(DataCheck& check) const {
    for (std::size_t c = 0; c < (rgb ? 3 : 1) && count[c] > 0; ++c) {
      const double mean = sum[c] / count[c];
      check.mean.push_back(mean);
      check.std.push_back(std::sqrt(std::max(0.0, squares[c] / count[c] - mean * mean)));
    }
  }
};

std::string names_of(const Dataset& dataset, const Twins& twins) {
  return dataset.samples[static_cast<std::size_t>(twins.first)].path + " and " +
         dataset.samples[static_cast<std::size_t>(twins.second)].path;
}

}  // namespace

DataCheck check_data(const Dataset& dataset, const ImageLimits& limits,
                     const std::function<void(std::int64_t)>& progress) {
  DataCheck check;
  Sums sums;
  TwinFinder finder;
  for (std::size_t i = 0; i < dataset.samples.size(); ++i) {
    try {
      const Image image = dataset.read(dataset.samples[i], limits);
      ++check.sizes[text(image.height, "x", image.width)];
      ++check.kinds[text(image.bit_depth, "-bit ", image.channels == 3 ? "RGB" : "gray")];
      sums.add(image);
      if (const auto twins = finder.add(image, static_cast<std::int64_t>(i))) {
        check.twins.push_back(*twins);
      }
    } catch (const Error& error) {
      check.unreadable.emplace_back(static_cast<std::int64_t>(i), error.what());
    }
    if (progress) progress(static_cast<std::int64_t>(i) + 1);
  }
  sums.write(check);
  return check;
}

void drop_unreadable(Dataset& dataset, const DataCheck& check) {
  for (auto bad = check.unreadable.rbegin(); bad != check.unreadable.rend(); ++bad) {
    dataset.samples.erase(dataset.samples.begin() + bad->first);
  }
}

std::vector<std::string> doubts_of(const Dataset& dataset, const DataCheck& check) {
  std::vector<std::string> doubts;
  for (const auto& [index, reason] : check.unreadable) doubts.push_back(reason);
  for (const Twins& twins : check.twins) {
    const Sample& a = dataset.samples[static_cast<std::size_t>(twins.first)];
    const Sample& b = dataset.samples[static_cast<std::size_t>(twins.second)];
    const bool torn = dataset.has_splits ? a.split != b.split : a.group != b.group;
    if (!torn && a.label == b.label) continue;
    const std::string what = a.label != b.label   ? "classes"
                             : dataset.has_splits ? "splits"
                                                  : "groups, so that a split may tear them apart";
    doubts.push_back(names_of(dataset, twins) + (twins.exact ? " are the same" : " look the same") +
                     " and are in different " + what);
  }
  return doubts;
}

}  // namespace lamella
