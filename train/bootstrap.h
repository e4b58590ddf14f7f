// How far a figure may be from the truth when images come in groups: crops of one micrograph are
// alike, so an interval that takes every image for itself is too narrow.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/evaluate.h"

namespace lamella {

struct Interval {
  double low = 0, high = 0;
};

struct GroupIntervals {
  std::int64_t groups = 0;
  Interval accuracy, balanced_accuracy, macro_f1;
};

// 95 % percentile intervals over `rounds` samples of as many groups as there are, drawn with
// replacement, all images of a group together (Efron & Tibshirani 1993, chapter 13; cluster
// bootstrap). `groups` names the group of each prediction. With one group there is nothing to draw:
// each interval is [0, 1]. Throws Error where the two lengths differ or rounds < 1. The same seed
// gives the same intervals. O(rounds (n + classes^2)).
GroupIntervals group_bootstrap(std::span<const Prediction> predictions,
                               std::span<const std::string> groups, std::int64_t classes,
                               std::uint64_t seed = 0, int rounds = 2000);

}  // namespace lamella
