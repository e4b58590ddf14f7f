// How the figures of a classifier are told, the same in every verb that measures one.
#pragma once

#include <string>
#include <vector>

#include "train/metrics.h"
#include "weights/json.h"

namespace lamella::tool {

// "n", "accuracy" and so on, as lamella.eval/1 has them; `loss` is the mean cross-entropy.
Json scores_json(const Metrics& metrics, const Confusion& confusion, double loss,
                 const std::vector<std::string>& labels);

// The same on stdout, as text.
void print_scores(const Metrics& metrics, double loss, const std::vector<std::string>& labels);

}  // namespace lamella::tool
