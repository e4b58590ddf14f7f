// One training run of the tool: a data set and a recipe in, a run folder out.
#pragma once

#include "tools/train_options.h"

namespace lamella::tool {

// Trains, or goes on with args.resume. `parser` holds the options as they were given, for the
// recipe. Returns the exit status: 1 where it was interrupted, with everything saved. Throws Error.
int train_run(const TrainArguments& args, const CLI::App& parser);

// The images as the options split them, looked through where --strict or --skip-bad say so.
OpenData training_data(const TrainArguments& args);

}  // namespace lamella::tool
