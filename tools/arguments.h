// What happens to the command line before the parser sees it.
#pragma once

#include <string>
#include <vector>

#include "tools/common.h"
#include "tools/recipe.h"

namespace lamella::tool {

// Inserts the options of `--config FILE` and of the recipe that `--resume RUN` names, and before
// them what `--from RUN` takes over, behind the verb, so that what was typed comes later and wins;
// writes `--json` without a file as `--json=-`. Throws UsageError for --resume with an option that
// would change what the run is.
std::vector<std::string> expand_arguments(std::vector<std::string> arguments);

// Every option of a parsed verb with its value, defaults included; `fixed` replaces some. Options
// that are not configurable (where results go) and empty ones are left out.
Recipe recipe_of(const CLI::App& parser, const Recipe& fixed);

}  // namespace lamella::tool
