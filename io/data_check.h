// What a look at every image of a data set shows: what cannot be read, what kinds of images there
// are, and images that are there twice, which make a split by chance lie.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "io/dataset.h"
#include "io/image.h"

namespace lamella {

// Two images of the data set, by their indices; first < second.
struct Twins {
  std::int64_t first = 0, second = 0;
  bool exact = false;  // the same pixels; else nearly the same, see check_data
  bool operator==(const Twins&) const = default;
};

struct DataCheck {
  std::map<std::string, std::int64_t> sizes, kinds;  // "256x256", "8-bit gray": how many images
  std::vector<std::pair<std::int64_t, std::string>> unreadable;  // index, reason
  // Of all samples of all images on the scale 0..1, biased; one number, or three where some image
  // is RGB (a gray one then counts in each). Empty where no image could be read.
  std::vector<double> mean, std;
  std::vector<Twins> twins;  // in the order of `second`
};

// Reads every image once. An image is the twin of the first one before it that has the same pixels,
// or else of the first one that looks the same: whose brightness rises and falls in the same places
// (difference hash of 8 x 8 bits, at most 6 of them different) and correlates by at least 0.98,
// both in gray and reduced to 16 x 16 pixels. That finds other sizes, compressions and brightness,
// not turned or shifted copies. `progress` is told how many are done.
// O(n) decoded images, and O(n^2) comparisons of 64 bits.
DataCheck check_data(const Dataset& dataset, const ImageLimits& limits = {},
                     const std::function<void(std::int64_t)>& progress = {});

// Leaves the images out that could not be read. The indices of `check` mean nothing afterwards.
void drop_unreadable(Dataset& dataset, const DataCheck& check);

// What makes figures of this data set doubtful, a sentence each: unreadable images, and twins of
// different classes or in different splits; where there are no splits yet, in different groups.
std::vector<std::string> doubts_of(const Dataset& dataset, const DataCheck& check);

}  // namespace lamella
