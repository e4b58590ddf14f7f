// lamella eval: how well a trained model does on labelled images.
#include <cstdio>
#include <filesystem>
#include <optional>

#include "engine/errors.h"
#include "io/data_check.h"
#include "io/loader.h"
#include "tools/common.h"
#include "tools/cross_validate.h"
#include "tools/image_options.h"
#include "tools/interrupt.h"
#include "tools/probability_scores.h"
#include "tools/scores.h"
#include "train/calibration.h"
#include "train/ensemble.h"
#include "train/flips.h"
#include "train/run_folder.h"
#include "weights/durable_file.h"

namespace lamella::tool {
namespace {

struct EvalArguments {
  std::string run, model, weights, data, split, json;
  std::string fingerprint;  // of the images the run was made with
  bool skip_bad = false;    // as the run did
  bool calibrated = false;
  int flips = 1;
  std::int64_t batch = 16;
  std::optional<double> min_confidence;
  SplitOptions fractions;
  GroupOptions groups;
  PreprocessOptions images;
  DeviceOptions device;
  CLI::App* parser = nullptr;
};

// What a run's recipe says about its data, where the command line does not.
void take_from_recipe(EvalArguments& args) {
  args.fingerprint = is_cross_validation(args.run)
                         ? read_cross_validation(args.run).at("fingerprint").get<std::string>()
                         : RunFolder::open(args.run).info().data.fingerprint;
  const std::string recipe = args.run + "/recipe.toml";
  for (const auto& [key, value] : parse_recipe(read_text_file(recipe), recipe)) {
    if (key == "data" && args.data.empty()) args.data = value;
    if (key == "seed" && args.parser->count("--seed") == 0) {
      args.fractions.seed = std::stoull(value);
    }
    if (key == "skip-bad") args.skip_bad = value == "true";
    if (key == "folds") args.fractions.folds = std::stoll(value);
    if (key == "fold") args.fractions.fold = std::stoll(value);
    if (key == "repeat") args.fractions.repeat = std::stoll(value);
    if (key == "val-fraction") args.fractions.validation = std::stod(value);
    if (key == "test-fraction") args.fractions.test = std::stod(value);
    if (key == "group-column" && args.groups.column.empty()) args.groups.column = value;
    if (key == "group-pattern" && args.groups.pattern.empty()) args.groups.pattern = value;
  }
}

// A drawn split can be drawn again from the very same images only: with one image more, others are
// held out, and what the model was trained on would be scored.
void check_split(const EvalArguments& args, const OpenData& data) {
  const bool drawn = args.split == "test" ? data.drawn_test : data.drawn;
  if (!drawn || args.fingerprint.empty()) return;
  const std::string now = fingerprint(data.dataset);
  if (now == args.fingerprint) return;
  fail("the images in ", args.data, " are not those of the run (fingerprint ", now, ", was ",
       args.fingerprint, "), so its ", args.split,
       " split cannot be drawn again; for images that the run has not seen use --split all");
}

Dataset choose(const EvalArguments& args) {
  if (args.split == "all") {
    return read_dataset(args.data, {args.groups.column, args.groups.pattern, ""});
  }
  const OpenData data = open_data(args.data, args.groups, args.fractions);
  check_split(args, data);
  Dataset dataset = data.dataset.subset(split_from_name(args.split));
  if (args.skip_bad) drop_unreadable(dataset, check_data(dataset));
  if (dataset.samples.empty()) {
    fail(args.data, " has no image in its ", args.split, " split; try --split train, test or all");
  }
  return dataset;
}

Json to_json(const EvalArguments& args, const Metrics& metrics, const Evaluation& evaluation,
             const ProbabilityScores& more, const std::vector<std::string>& labels) {
  Json json = {{"schema", "lamella.eval/1"},
               {"data", args.data},
               {"split", args.split},
               {"calibrated", args.calibrated},
               {"flips", args.flips}};
  json.update(scores_json(metrics, evaluation.confusion, evaluation.loss, labels));
  add_json(json, more);
  return json;
}

ProbabilityScores more_scores(const EvalArguments& args, const Evaluation& evaluation,
                              const std::vector<Sample>& samples, const std::string& group_source) {
  std::vector<std::string> groups;
  for (const Prediction& prediction : evaluation.predictions) {
    groups.push_back(samples[static_cast<std::size_t>(prediction.index)].group);
  }
  return probability_scores(evaluation.predictions, groups, group_source,
                            evaluation.confusion.classes(), args.min_confidence);
}

// The mean of what all members make of all flips of the images.
Evaluation judge(const EvalArguments& args, Context& ctx, std::vector<OpenModel>& members,
                 Loader& loader) {
  watch_interrupts();
  std::vector<Evaluation> judgements;
  for (OpenModel& member : members) {
    make_ready(ctx, member.model, loader.images(), args.batch);
    for (int flip = 0; flip < args.flips; ++flip) {
      FlippedSource source(loader, flip);
      judgements.push_back(evaluate(ctx, member.model, source, interrupted));
      if (args.calibrated) calibrate(judgements.back(), member.temperature);
    }
  }
  if (interrupted()) fail("interrupted before the last image");
  return mean_of(judgements);
}

int run(EvalArguments args) {
  if (args.run.empty() && args.weights.empty()) {
    throw UsageError("eval needs a run folder or --weights FILE");
  }
  const std::string source = args.weights.empty() ? args.run : args.weights;
  if (!args.run.empty() && std::filesystem::is_directory(args.run)) take_from_recipe(args);
  const auto ctx = make_context(args.device);
  std::vector<OpenModel> members = open_models(*ctx, source, args.model);
  if (args.calibrated) calibrate(members, source);
  const ModelCard card = members.front().card;
  const Preprocess preprocess = preprocess_from_metadata(card.preprocessing);
  args.images.check_agreement(preprocess, source);
  if (args.data.empty()) throw UsageError(std::string("eval needs --data: a ") + kDataHelp);
  Dataset dataset = choose(args);
  use_classes(dataset, card.labels);
  LoaderOptions options;
  options.batch = args.batch;
  options.shuffle = false;
  if (args.flips == 1) options.cache_bytes = 0;
  const std::vector<Sample> samples = dataset.samples;
  const std::string group_source = dataset.group_source;
  Loader loader(std::move(dataset), preprocess, options);
  const Evaluation evaluation = judge(args, *ctx, members, loader);
  print_profile(args.device);
  const Metrics metrics = metrics_of(evaluation.confusion);
  const ProbabilityScores more = more_scores(args, evaluation, samples, group_source);
  if (!args.json.empty()) {
    put_json(args.json, to_json(args, metrics, evaluation, more, card.labels));
  }
  if (args.json != "-") {
    std::printf("%s of %s\n", args.split == "all" ? "all images" : (args.split + " split").c_str(),
                args.data.c_str());
    print_scores(metrics, evaluation.loss, card.labels);
    print(more);
  }
  return 0;
}

}  // namespace

Verb add_eval(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("eval", "measure a trained model on labelled images");
  auto args = std::make_shared<EvalArguments>();
  args->parser = parser;
  args->split = "validation";
  parser->add_option("run", args->run,
                     "run folder, cross-validation (all its models together), or weight file");
  parser->add_option("--weights", args->weights, "weight file, instead of the run's best model");
  parser->add_option("--model", args->model,
                     "network of a weight file that does not say it, such as torchvision's");
  parser->add_option("--data", args->data, std::string("default: that of the run; ") + kDataHelp);
  parser->add_option("--split", args->split, "train, validation, test or all")
      ->check(CLI::IsMember({"train", "validation", "val", "test", "all"}))
      ->capture_default_str();
  parser->add_option("--batch", args->batch, "images per step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  parser
      ->add_option("--min-confidence", args->min_confidence,
                   "tell how many images have a highest probability of at least this, and how many "
                   "of them are right")
      ->check(CLI::Range(0.0, 1.0));
  add_flips_option(*parser, args->flips);
  add_calibrated_option(*parser, args->calibrated);
  parser->add_option("--seed", args->fractions.seed, "of the split; default: that of the run");
  add_group_options(*parser, args->groups);
  add_preprocess_options(*parser, args->images);
  add_device_options(*parser, args->device);
  add_json_option(*parser, args->json);
  parser->footer("Example:\n  lamella eval run1 --data crops --split validation --json eval.json");
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
