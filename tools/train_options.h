// The options of lamella train.
#pragma once

#include <string>
#include <vector>

#include "io/dataset.h"
#include "tools/arguments.h"
#include "tools/image_options.h"
#include "tools/transfer_options.h"
#include "train/trainer.h"

namespace lamella::tool {

struct TrainArguments {
  std::string model, data, out, resume, config, json;
  TransferArguments transfer;
  ImageOptions image;
  std::string augment = "none", class_weight = "none";
  std::int64_t batch = 12;
  TrainOptions train;
  SplitOptions split;
  GroupOptions groups;
  DeviceOptions device{.training = true};
  double train_fraction = 1;
  std::int64_t per_class = 0;
  std::int64_t repeats = 1;  // of a cross-validation
  bool log_steps = false, strict = false, skip_bad = false;
  bool quiet = false;  // nothing on stdout: one run of several
};
void add_train_options(CLI::App& parser, TrainArguments& arguments);

// The weight of every class in the loss: "none" (empty: all 1), "auto" (balancing_weights), a power
// for those, or "name=weight,..." with 1 for the classes that are not named. Throws UsageError.
std::vector<float> parse_class_weights(const std::string& rule, const Dataset& training);

}  // namespace lamella::tool
