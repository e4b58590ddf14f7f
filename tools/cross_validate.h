// The cross-validation of lamella train --folds: a folder of runs, and what they say together.
//
//   recipe.toml          every option as used
//   crossval.json        lamella.crossval/1; its status is "running" until all runs are finished
//   repeat-1-fold-1/ ... run folders
//   report.html
#pragma once

#include "tools/train_options.h"

namespace lamella::tool {

// Trains one run after another, or goes on with args.resume: what is finished is not done again.
// Returns the exit status: 1 where it was interrupted, with everything saved. Throws Error.
int cross_validate(const TrainArguments& args, const CLI::App& parser);

// Whether `path` is the folder of a cross-validation.
bool is_cross_validation(const std::string& path);
// Its crossval.json. Throws Error where it is damaged, or the runs are not finished.
Json read_cross_validation(const std::string& path);

}  // namespace lamella::tool
