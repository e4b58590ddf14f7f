// lamella inspect: what a folder of images, a weight file, a run or a network is.
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "engine/errors.h"
#include "io/data_check.h"
#include "tools/common.h"
#include "tools/progress.h"
#include "train/run_folder.h"
#include "weights/read_weights.h"

namespace lamella::tool {
namespace {

struct InspectArguments {
  std::string target, model, json;
  std::int64_t size = 256, channels = 1, classes = 14;
  bool auxiliary = false, strict = false;
  GroupOptions groups;
};

// --- a folder of images -----------------------------------------------------------------------
void add_rows(const Dataset& dataset, const DataCheck& check, Json& json) {
  const auto path = [&](std::int64_t i) {
    return dataset.samples[static_cast<std::size_t>(i)].path;
  };
  json["unreadable"] = Json::array();
  for (const auto& [index, reason] : check.unreadable) {
    json["unreadable"].push_back({{"file", path(index)}, {"reason", reason}});
  }
  json["twins"] = Json::array();
  for (const Twins& twins : check.twins) {
    json["twins"].push_back(
        {{"first", path(twins.first)}, {"second", path(twins.second)}, {"exact", twins.exact}});
  }
}

Json describe_data(const InspectArguments& args) {
  const Dataset dataset = read_dataset(args.target, {args.groups.column, args.groups.pattern, ""});
  Progress progress("inspect", static_cast<std::int64_t>(dataset.samples.size()), "images");
  const DataCheck check =
      check_data(dataset, {}, [&](std::int64_t done) { progress.update(done); });
  Json json = {{"schema", "lamella.inspect/1"},
               {"kind", "data"},
               {"images", dataset.samples.size()},
               {"classes", Json::array()}};
  const std::vector<std::int64_t> counts = dataset.class_counts();
  for (std::size_t c = 0; c < counts.size(); ++c) {
    json["classes"].push_back({{"label", dataset.classes[c]}, {"n", counts[c]}});
  }
  std::map<std::string, std::int64_t> splits;
  std::set<std::string> groups;
  for (const Sample& sample : dataset.samples) {
    ++splits[name_of(sample.split)];
    groups.insert(sample.group);
  }
  json["splits"] = splits;
  json["groups"] = {{"n", groups.size()}, {"source", dataset.group_source}};
  json["sizes"] = check.sizes;
  json["kinds"] = check.kinds;
  json["mean"] = check.mean;
  json["std"] = check.std;
  add_rows(dataset, check, json);
  json["doubts"] = doubts_of(dataset, check);
  for (const std::string& note : dataset.notes) json["doubts"].push_back(note);
  return json;
}

// --- weights, runs, networks --------------------------------------------------------------------
std::string dims(const std::vector<std::int64_t>& shape) {
  std::string joined;
  for (const std::int64_t dim : shape) joined += (joined.empty() ? "" : "x") + std::to_string(dim);
  return joined.empty() ? "scalar" : joined;
}

Json describe_weights(const std::string& path) {
  ReadReport report;
  const TensorFile file = read_weights(path, "", &report);
  Json json = {{"schema", "lamella.inspect/1"}, {"kind", "weights"},
               {"form", report.form},           {"entry", report.entry},
               {"skipped", report.skipped},     {"metadata", file.metadata},
               {"tensors", Json::array()}};
  std::int64_t elements = 0;
  for (const auto& [name, tensor] : file.tensors) {
    json["tensors"].push_back(
        {{"name", name}, {"dtype", tensor.dtype}, {"shape", dims(tensor.shape)}});
    elements += tensor.count();
  }
  json["elements"] = elements;
  return json;
}

Json describe_model(const InspectArguments& args) {
  Context ctx;
  ModelSpec spec{args.model, args.size, args.size, args.channels, args.classes};
  spec.auxiliary = args.auxiliary;
  const Model model = make_model(ctx, spec);
  Json json = {{"schema", "lamella.inspect/1"}, {"kind", "model"},
               {"model", args.model},           {"parameters", model.parameter_count()},
               {"layers", model.layer_names()}, {"tensors", Json::array()}};
  for (const Parameter& parameter : model.parameters()) {
    json["tensors"].push_back({{"name", parameter.name},
                               {"shape", parameter.tensor.shape().str()},
                               {"trained", parameter.trained()}});
  }
  return json;
}

Json describe_run(const std::string& path) {
  const RunFolder run = RunFolder::open(path);
  const RunInfo info = run.info();
  const std::vector<EpochRecord> epochs = run.epochs();
  return {{"schema", "lamella.inspect/1"},
          {"kind", "run"},
          {"status", info.status},
          {"model", info.card.spec.name},
          {"labels", info.card.labels},
          {"data", info.data.path},
          {"epochs", epochs.size()},
          {"best_epoch", info.best_epoch},
          {"best_accuracy", metrics_of(info.best_confusion).accuracy},
          {"next_command", info.next_command}};
}

// --- text ------------------------------------------------------------------------------------
std::string plain(const Json& value) {
  return value.is_string() ? value.get<std::string>() : dump_json(value);
}

// One line per fact; lists of objects as indented rows.
void print(const Json& json) {
  for (const auto& [key, value] : json.items()) {
    if (key == "schema") continue;
    if (!value.is_array() || value.empty() || !value.front().is_object()) {
      std::printf("%s: %s\n", key.c_str(), plain(value).c_str());
      continue;
    }
    std::printf("%s:\n", key.c_str());
    for (const Json& row : value) {
      std::string line;
      for (const auto& [name, cell] : row.items()) line += "  " + plain(cell);
      std::printf("%s\n", line.c_str());
    }
  }
}

int run(const InspectArguments& args) {
  if (args.target.empty() == args.model.empty()) {
    std::string names;
    for (const std::string& name : model_names()) names += " " + name;
    throw UsageError(
        "inspect needs one of: a data folder or list (.csv), a run folder, a weight file, or "
        "--model with one of" +
        names);
  }
  Json json;
  if (!args.model.empty()) {
    json = describe_model(args);
  } else if (is_list_name(args.target)) {
    json = describe_data(args);
  } else if (!std::filesystem::is_directory(args.target)) {
    json = describe_weights(args.target);
  } else if (std::filesystem::exists(args.target + "/run.json")) {
    json = describe_run(args.target);
  } else {
    json = describe_data(args);
  }
  if (!args.json.empty()) put_json(args.json, json);
  if (args.json != "-") print(json);
  return args.strict && !json.value("doubts", Json::array()).empty() ? 1 : 0;
}

}  // namespace

Verb add_inspect(CLI::App& app) {
  CLI::App* parser =
      app.add_subcommand("inspect", "describe a data folder, weight file, run or network");
  auto args = std::make_shared<InspectArguments>();
  parser->add_option("target", args->target,
                     "data (as train --data takes it), run folder or weight file");
  parser->add_option("--model", args->model, "network to describe");
  parser->add_option("--size", args->size, "of the network's input")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  parser->add_option("--channels", args->channels, "of the network's input")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  parser->add_option("--classes", args->classes, "of the network")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  parser->add_flag("--auxiliary", args->auxiliary, "the network with its auxiliary classifiers");
  parser->add_flag("--strict", args->strict, "of data: exit status 1 where there are doubts");
  add_group_options(*parser, args->groups);
  add_json_option(*parser, args->json);
  parser->footer("Example:\n  lamella inspect crops\n  lamella inspect --model cbr_small");
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
