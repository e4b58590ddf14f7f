// Recipes: flat TOML files of options. `lr = 0.001` in a recipe is `--lr 0.001` on the command
// line.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace lamella::tool {

using Recipe = std::vector<std::pair<std::string, std::string>>;  // option without dashes, value

// Reads `key = value` lines; a value is a "string" (with TOML's escapes), a 'literal string', a
// number, true or false. Throws Error that names file and line for anything else, a key given twice
// included.
Recipe parse_recipe(const std::string& toml, const std::string& name);
// The inverse: numbers and booleans bare, everything else quoted.
std::string format_recipe(const Recipe& recipe);

}  // namespace lamella::tool
