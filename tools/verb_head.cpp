// lamella head: trains a small classifier on features that lamella embed has kept.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <span>

#include "engine/errors.h"
#include "tools/common.h"
#include "tools/head_model.h"
#include "tools/interrupt.h"
#include "tools/lists.h"
#include "tools/scores.h"
#include "train/evaluate.h"
#include "train/features.h"
#include "train/folds.h"
#include "train/head_choice.h"

namespace lamella::tool {
namespace {

struct HeadArguments {
  std::string features, kind = "softmax", l2, split = "validation", out, weights, json;
  int folds = 5;
  double train_fraction = 1;
  SplitOptions fractions;
  HeadOptions head;
  DeviceOptions device;
};

// Strengths to choose from where --l2 names none. Losses have different scales, and the MLP takes
// longer to train.
const char* default_strengths(HeadKind kind) {
  switch (kind) {
    case HeadKind::Softmax:
      return "0.001,0.003,0.01,0.03,0.1,0.3,1";
    case HeadKind::Svm:
      return "0.1,0.3,1,3,10";
    case HeadKind::Mlp:
      return "0.003,0.01,0.03,0.1";
  }
  return "";
}

std::vector<double> strengths_of(const HeadArguments& args) {
  std::vector<double> values;
  for (const std::string& word :
       split_list(args.l2.empty() ? default_strengths(args.head.kind) : args.l2)) {
    const double value = number_in(word);
    if (!(value >= 0) || std::isinf(value)) {
      throw UsageError("--l2: '" + word + "' is no strength; write numbers as in 0.01,0.1,1");
    }
    values.push_back(value);
  }
  if (values.empty()) throw UsageError("--l2 names no strength; write numbers as in 0.01,0.1,1");
  return values;
}

// Rows of a feature set, and the groups they belong to.
struct Part {
  LabelledFeatures features;
  std::vector<std::string> groups, paths;
};
struct Parts {
  Part train, test;
};

// The data set as the folders had it; where they had no splits, one is drawn like for training.
Dataset dataset_of(const HeadArguments& args, const FeatureSet& set) {
  Dataset dataset;
  dataset.root = set.data;
  dataset.classes = set.classes;
  for (const FeatureSample& sample : set.samples) {
    const Split split = sample.split == "none" ? Split::None : split_from_name(sample.split);
    dataset.has_splits |= split != Split::None;
    dataset.samples.push_back({sample.path, sample.label, sample.group, split});
  }
  if (!dataset.has_splits) {
    const double held_out = args.fractions.validation;
    split(dataset, {1 - held_out, held_out, 0}, args.fractions.seed);
  }
  if (args.train_fraction < 1) {
    keep_fraction(dataset, Split::Train, args.train_fraction, args.fractions.seed);
  }
  return dataset;
}

Parts take_apart(const HeadArguments& args, const FeatureSet& set) {
  std::map<std::string, std::size_t> row_of;
  for (std::size_t i = 0; i < set.samples.size(); ++i) row_of[set.samples[i].path] = i;
  LabelledFeatures all{set.width, static_cast<std::int64_t>(set.classes.size()), set.values, {}};
  for (const FeatureSample& sample : set.samples) all.labels.push_back(sample.label);
  const Dataset dataset = dataset_of(args, set);
  const auto part = [&](Split split) {
    Part result;
    std::vector<std::size_t> rows;
    for (const Sample& sample : dataset.samples) {
      if (sample.split != split) continue;
      rows.push_back(row_of.at(sample.path));
      result.groups.push_back(sample.group);
      result.paths.push_back(sample.path);
    }
    result.features = all.rows(rows);
    if (rows.empty()) fail(args.features, " has no image in its ", name_of(split), " split");
    return result;
  };
  return {part(Split::Train), part(split_from_name(args.split))};
}

// What is known when all is done.
struct Outcome {
  HeadChoice choice;  // no strengths where only one was asked for
  StandardisedHead trained;
  std::vector<float> scores;  // of the images it is tested on
  Confusion confusion;
  double loss = 0;  // mean cross-entropy of the scores' softmax
  double choice_seconds = 0, training_seconds = 0;
};

void test(Context& ctx, const Part& part, Outcome& outcome) {
  outcome.scores = outcome.trained.scores(ctx, part.features.x);
  const auto classes = static_cast<std::size_t>(part.features.classes);
  outcome.confusion = Confusion(part.features.classes);
  for (std::size_t n = 0; n < part.features.labels.size(); ++n) {
    const std::span row(outcome.scores.data() + n * classes, classes);
    const std::int64_t best = top_class(row);
    const std::int32_t label = part.features.labels[n];
    outcome.confusion.add(label, best);
    const double most = double{row[static_cast<std::size_t>(best)]};
    double sum = 0;
    for (const float score : row) sum += std::exp(double{score} - most);
    outcome.loss += std::log(sum) + most - double{row[static_cast<std::size_t>(label)]};
  }
  outcome.loss /= static_cast<double>(part.features.count());
}

Outcome train_and_test(Context& ctx, const HeadArguments& args, const Parts& parts) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const LabelledFeatures& train = parts.train.features;
  const std::vector<double> strengths = strengths_of(args);
  Outcome outcome;
  outcome.choice.l2 = strengths.front();
  const auto start = Clock::now();
  if (strengths.size() > 1) {
    const std::vector<int> folds =
        grouped_folds(train.labels, parts.train.groups, args.folds, args.fractions.seed);
    watch_interrupts();
    outcome.choice = choose_l2(ctx, train, folds, args.head, strengths, interrupted);
  }
  outcome.choice_seconds = seconds_since(start);
  const auto chosen = Clock::now();
  outcome.trained = train_head(ctx, train, args.head, outcome.choice.l2);
  outcome.training_seconds = seconds_since(chosen);
  test(ctx, parts.test, outcome);
  return outcome;
}

Json choice_json(const HeadArguments& args, const Outcome& outcome) {
  Json json = {{"l2", outcome.choice.l2},
               {"folds", outcome.choice.strengths.empty() ? 0 : args.folds},
               {"by", "balanced_accuracy"},
               {"grid", Json::array()}};
  for (const StrengthScore& strength : outcome.choice.strengths) {
    json["grid"].push_back({{"l2", strength.l2},
                            {"balanced_accuracy", strength.metrics.balanced_accuracy},
                            {"accuracy", strength.metrics.accuracy},
                            {"unconverged", strength.unconverged}});
  }
  return json;
}

Json to_json(const HeadArguments& args, const FeatureSet& set, const Parts& parts,
             const Outcome& outcome, const Metrics& metrics) {
  const Head::End& end = outcome.trained.head->end();
  Json json = {
      {"schema", "lamella.head/1"},
      {"data", set.data},
      {"split", args.split},
      {"features",
       {{"file", args.features},
        {"architecture", set.origin.at("architecture")},
        {"layer", set.origin.at("layer")},
        {"width", set.width},
        {"constant", outcome.trained.standardiser.constants()},
        {"fingerprint", fingerprint(set)}}},
      {"kind", args.kind},
      {"seed", args.fractions.seed},
      {"train_n", parts.train.features.count()},
      {"choice", choice_json(args, outcome)},
      {"solver",
       {{"steps", end.steps},
        {"objective", end.objective},
        {"gradient", end.gradient},
        {"converged", end.converged}}},
      {"seconds", {{"choice", outcome.choice_seconds}, {"training", outcome.training_seconds}}}};
  json.update(scores_json(metrics, outcome.confusion, outcome.loss, set.classes));
  json["predictions"] = Json::array();
  const auto classes = static_cast<std::ptrdiff_t>(set.classes.size());
  for (std::size_t n = 0; n < parts.test.paths.size(); ++n) {
    const auto row = outcome.scores.begin() + static_cast<std::ptrdiff_t>(n) * classes;
    json["predictions"].push_back(
        {{"file", parts.test.paths[n]},
         {"label", set.classes[static_cast<std::size_t>(parts.test.features.labels[n])]},
         {"scores", std::vector<float>(row, row + classes)}});
  }
  return json;
}

void print(const HeadArguments& args, const FeatureSet& set, const Parts& parts,
           const Outcome& outcome, const Metrics& metrics) {
  for (const StrengthScore& strength : outcome.choice.strengths) {
    std::printf("l2 %-8g cross-validation: balanced accuracy %.4f, accuracy %.4f%s\n", strength.l2,
                strength.metrics.balanced_accuracy, strength.metrics.accuracy,
                strength.l2 == outcome.choice.l2 ? "  <- chosen" : "");
  }
  std::printf("%s head on %lld features, trained on %lld images in %.2f s (choice of l2: %.2f s)\n",
              args.kind.c_str(), static_cast<long long>(set.width),
              static_cast<long long>(parts.train.features.count()), outcome.training_seconds,
              outcome.choice_seconds);
  std::printf("%s split of %s\n", args.split.c_str(), set.data.c_str());
  print_scores(metrics, outcome.loss, set.classes);
}

void warn(const Outcome& outcome) {
  if (!outcome.trained.head->end().converged) {
    std::fprintf(stderr, "the solver stopped before its tolerance; a larger --l2 is easier\n");
  }
  const auto& strengths = outcome.choice.strengths;
  if (strengths.empty()) return;
  if (outcome.choice.l2 == strengths.front().l2 || outcome.choice.l2 == strengths.back().l2) {
    std::fprintf(stderr, "the best l2, %g, is at the end of the list; --l2 can name others\n",
                 outcome.choice.l2);
  }
}

int run(HeadArguments args) {
  args.head.kind = head_kind(args.kind);
  args.head.seed = args.fractions.seed;
  args.split = name_of(split_from_name(args.split));  // "val" is short for validation
  if (!args.out.empty() && args.head.kind == HeadKind::Mlp) {
    throw UsageError("--out writes linear heads only, with --kind softmax or svm");
  }
  const auto ctx = make_context(args.device, args.fractions.seed);
  const FeatureSet set = read_features(args.features);
  const Parts parts = take_apart(args, set);
  const Outcome outcome = train_and_test(*ctx, args, parts);
  const Metrics metrics = metrics_of(outcome.confusion);
  warn(outcome);
  if (!args.out.empty()) write_head_model(*ctx, args.out, set, args.weights, outcome.trained);
  if (!args.json.empty()) put_json(args.json, to_json(args, set, parts, outcome, metrics));
  if (args.json != "-") print(args, set, parts, outcome, metrics);
  return 0;
}

}  // namespace

Verb add_head(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("head", "train a classifier on kept features");
  auto args = std::make_shared<HeadArguments>();
  HeadArguments& a = *args;
  parser->add_option("--features", a.features, "file that lamella embed has written")->required();
  parser->add_option("--kind", a.kind, "softmax, svm (both linear), or mlp (one hidden layer)")
      ->check(CLI::IsMember({"softmax", "svm", "mlp"}))
      ->capture_default_str();
  parser->add_option(
      "--l2", a.l2,
      text("strengths of regularisation to choose from; default: ",
           default_strengths(HeadKind::Softmax), " (softmax), ", default_strengths(HeadKind::Svm),
           " (svm), ", default_strengths(HeadKind::Mlp), " (mlp)"));
  parser->add_option("--folds", a.folds, "of the cross-validation that chooses; groups stay whole")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  parser->add_option("--split", a.split, "to be tested on: train, validation or test")
      ->check(CLI::IsMember({"train", "validation", "val", "test"}))
      ->capture_default_str();
  parser
      ->add_option("--val-fraction", a.fractions.validation,
                   "share drawn for validation where the folders have no splits")
      ->check(CLI::Range(0.001, 0.999))
      ->capture_default_str();
  parser
      ->add_option("--train-fraction", a.train_fraction,
                   "share of the training images of each class, whole groups")
      ->check(CLI::Range(0.001, 1.0))
      ->capture_default_str();
  parser->add_option("--seed", a.fractions.seed, "of splits, folds and the mlp")
      ->capture_default_str();
  parser->add_option("--hidden", a.head.hidden, "width of the mlp's hidden layer")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  parser->add_option("--epochs", a.head.epochs, "of the mlp")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  parser->add_option("--out", a.out,
                     "weight file of network and head, for predict and eval; linear heads only");
  parser->add_option("--weights", a.weights, "of the network, for --out; default: where they lay");
  add_device_options(*parser, a.device);
  add_json_option(*parser, a.json);
  parser->footer(
      "Example:\n  lamella head --features crops-6c.safetensors --kind softmax --out "
      "model.safetensors");
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
