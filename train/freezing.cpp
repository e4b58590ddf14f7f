#include "train/freezing.h"

#include <functional>
#include <set>
#include <sstream>
#include <vector>

#include "engine/errors.h"

namespace lamella {
namespace {

using Choice = std::function<bool(const Parameter&)>;

bool begins_with(const Parameter& parameter, const std::vector<std::string>& beginnings) {
  for (const std::string& beginning : beginnings) {
    if (parameter.name.starts_with(beginning)) return true;
  }
  return false;
}

std::vector<std::string> beginnings_of(const Model& model, const std::string& list) {
  std::vector<std::string> beginnings;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) {
    if (word.empty() || !model.has_parameter(word)) {
      fail("freeze: no parameter of ", model.spec().name, " begins with '", word,
           "'; use none, body, before:LAYER, or beginnings of names that lamella inspect shows");
    }
    beginnings.push_back(word);
  }
  return beginnings;
}

Choice choice_of(const Model& model, const std::string& what) {
  const std::string before = "before:";
  if (what.empty() || what == "none") return [](const Parameter&) { return false; };
  if (what == "body") {
    return [prefix = model.classifier_prefix() + "."](const Parameter& parameter) {
      return !parameter.name.starts_with(prefix);
    };
  }
  if (what.starts_with(before)) {
    const auto first = static_cast<int>(model.stage_of(what.substr(before.size())));
    return [first](const Parameter& parameter) { return parameter.stage < first; };
  }
  return [beginnings = beginnings_of(model, what)](const Parameter& parameter) {
    return begins_with(parameter, beginnings);
  };
}

}  // namespace

void freeze_for_epoch(const Model& model, const FreezeOptions& options, std::int64_t epoch) {
  const Choice frozen = choice_of(model, options.what);
  std::set<int> stages;  // that hold something frozen
  bool trains = false;
  for (const Parameter& parameter : model.parameters()) {
    if (!parameter.trained()) continue;
    if (frozen(parameter)) {
      stages.insert(parameter.stage);
    } else {
      trains = true;
    }
  }
  if (!trains) {
    fail("freeze: '", options.what, "' leaves nothing of ", model.spec().name, " to train");
  }
  const std::int64_t thawed = options.unfreeze_every > 0 ? epoch / options.unfreeze_every : 0;
  for (std::int64_t i = 0; i < thawed && !stages.empty(); ++i) stages.erase(*stages.rbegin());
  model.freeze([&](const Parameter& parameter) {
    return stages.contains(parameter.stage) && frozen(parameter);
  });
}

}  // namespace lamella
