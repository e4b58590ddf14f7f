// The options that say where a run's weights come from and which of them it trains.
#pragma once

#include <string>

#include "io/preprocess.h"
#include "tools/common.h"
#include "train/trainer.h"

namespace lamella::tool {

struct TransferArguments {
  std::string from;  // a run; then none of the next line
  std::string weights, take = "values", take_until;
  std::string cut, head = "own";
  std::string freeze = "none", lr_factors;
  std::int64_t unfreeze_every = 0;
  bool auxiliary = false;

  // Into the spec of the network, and into what the trainer and its optimiser are told.
  void add_to(ModelSpec& spec) const;
  void add_to(TrainOptions& options) const;  // throws UsageError
  void check() const;                        // throws UsageError
};
void add_transfer_options(CLI::App& parser, TransferArguments& args);

// Draws the model's weights, then takes from the weight file or run what the options say, and tells
// on stderr what was taken, and where the weights expect other images than `preprocess` makes.
void start_weights(Context& ctx, const Model& model, const TransferArguments& args,
                   const Preprocess& preprocess, std::uint64_t seed);

}  // namespace lamella::tool
