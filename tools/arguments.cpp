#include "tools/arguments.h"

#include <algorithm>
#include <set>

#include "tools/cross_validate.h"
#include "train/run_folder.h"
#include "weights/durable_file.h"

namespace lamella::tool {
namespace {

// The value of `--name value` or `--name=value`; empty where it is not given.
std::string value_of(const std::vector<std::string>& arguments, const std::string& name) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--" + name && i + 1 < arguments.size()) return arguments[i + 1];
    if (arguments[i].starts_with("--" + name + "=")) return arguments[i].substr(name.size() + 3);
  }
  return "";
}

// A resumed run is the same run: only where it computes and where its data lie may change.
void check_resume(const std::vector<std::string>& arguments) {
  static const std::set<std::string> allowed = {"--resume", "--data", "--device", "--threads",
                                                "--json"};
  for (const std::string& argument : arguments) {
    const std::string option = argument.substr(0, argument.find('='));
    if (option.starts_with("--") && !allowed.contains(option)) {
      throw UsageError("--resume goes on with the run's own recipe, so " + option +
                       " cannot be given; only --data, --device, --threads and --json can");
    }
  }
}

std::vector<std::string> as_arguments(const Recipe& recipe) {
  std::vector<std::string> arguments;
  for (const auto& [key, value] : recipe) {
    if (!value.empty()) arguments.push_back("--" + key + "=" + value);
  }
  return arguments;
}

// Puts what a run that goes on from `run`, or from the one that `recipe` names, takes over of it
// before the recipe.
void inherit(std::string run, Recipe& recipe) {
  for (const auto& [key, value] : recipe) {
    if (key == "from" && run.empty()) run = value;
  }
  if (run.empty()) return;
  static const std::set<std::string> keys = {"model", "size", "channels", "normalise",
                                             "exif",  "cut",  "head",     "auxiliary"};
  RunFolder::open(run);  // or says why not
  Recipe first = parse_recipe(read_text_file(run + "/recipe.toml"), run + "/recipe.toml");
  std::erase_if(first, [](const auto& pair) { return !keys.contains(pair.first); });
  for (auto& [key, value] : first) {
    if (key == "head" && value == "new") value = "own";  // it is learnt by now
  }
  recipe.insert(recipe.begin(), first.begin(), first.end());
}

}  // namespace

std::vector<std::string> expand_arguments(std::vector<std::string> arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool file_follows = i + 1 < arguments.size() && arguments[i + 1].ends_with(".json");
    if (arguments[i] == "--json" && !file_follows) arguments[i] = "--json=-";
  }
  if (arguments.empty() || arguments[0].starts_with("-")) return arguments;
  Recipe recipe;
  if (const std::string run = value_of(arguments, "resume"); !run.empty()) {
    check_resume(arguments);
    if (!is_cross_validation(run)) RunFolder::open(run);  // or says why not
    recipe = parse_recipe(read_text_file(run + "/recipe.toml"), run + "/recipe.toml");
  } else {
    const std::string file = value_of(arguments, "config");
    if (!file.empty()) recipe = parse_recipe(read_text_file(file), file);
    inherit(value_of(arguments, "from"), recipe);
  }
  const std::vector<std::string> inserted = as_arguments(recipe);
  arguments.insert(arguments.begin() + 1, inserted.begin(), inserted.end());
  return arguments;
}

Recipe recipe_of(const CLI::App& parser, const Recipe& fixed) {
  Recipe recipe;
  for (const CLI::Option* option : parser.get_options()) {
    if (!option->get_configurable() || option->get_lnames().empty()) continue;
    const std::string name = option->get_lnames().front();
    std::string value = option->get_default_str();
    if (option->count() > 0) value = option->reduced_results().front();
    const auto replaced = std::find_if(fixed.begin(), fixed.end(),
                                       [&](const auto& pair) { return pair.first == name; });
    if (replaced != fixed.end()) value = replaced->second;
    if (!value.empty()) recipe.emplace_back(name, value);
  }
  return recipe;
}

}  // namespace lamella::tool
