#include "tools/common.h"

#include <cstdio>
#include <filesystem>

#include "engine/errors.h"
#include "io/preprocess.h"
#include "tools/cross_validate.h"
#include "tools/profile_table.h"
#include "train/calibration.h"
#include "train/folds.h"
#include "train/run_folder.h"
#include "weights/durable_file.h"
#include "weights/known_answer.h"
#include "weights/published.h"
#include "weights/read_weights.h"

namespace lamella::tool {

void add_device_options(CLI::App& parser, DeviceOptions& options) {
  parser.add_option("--device", options.device, "auto, cpu, cuda or simt")->capture_default_str();
  parser.add_option("--conv", options.convolution, "on cuda, who convolves: cudnn or own");
  parser.add_option("--product", options.product,
                    "on cuda, who multiplies in linear layers: cublaslt or own");
  parser
      .add_option("--dtype", options.dtype,
                  "what the layers compute in: f32, bf16 or f16; auto: bf16 to train on cuda, else "
                  "f32. Weights are kept in f32 beside it")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "f16"}))
      ->capture_default_str();
  parser.add_option("--threads", options.threads, "CPU threads; 0: all processors")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  parser.add_flag("--profile", options.profiled, "tell on stderr where the time went, by kernel")
      ->configurable(false);
}

namespace {

DType dtype_for(const DeviceOptions& options, const Context& ctx) {
  const std::string device = ctx.backend().name;
  if (options.dtype == "auto") {
    return options.training && device == "cuda" ? DType::BF16 : DType::F32;
  }
  if (options.dtype == "f32") return DType::F32;
  if (device == "cpu") {
    throw UsageError("--dtype " + options.dtype + " needs --device cuda or simt: the processor " +
                     "computes in f32 only");
  }
  return options.dtype == "bf16" ? DType::BF16 : DType::F16;
}

}  // namespace

std::unique_ptr<Context> make_context(const DeviceOptions& options, std::uint64_t seed) {
  Context::Options chosen;
  chosen.device = options.device;
  chosen.convolution = options.convolution;
  chosen.product = options.product;
  chosen.threads = options.threads;
  chosen.seed = seed;
  auto ctx = std::make_unique<Context>(chosen);
  ctx->dtype = dtype_for(options, *ctx);
  if (options.profiled) ctx->profile = options.profile.get();
  return ctx;
}

void print_profile(const DeviceOptions& options) {
  if (options.profiled) std::fputs(profile_table(*options.profile).c_str(), stderr);
}

void add_json_option(CLI::App& parser, std::string& json) {
  parser.add_option("--json", json, "JSON on stdout, or into FILE (its name ends in .json)")
      ->type_name("[FILE]")
      ->configurable(false);
}

void put_json(const std::string& where, const Json& json) {
  const std::string text = dump_json(json, 2) + "\n";
  if (where == "-") {
    std::fputs(text.c_str(), stdout);
  } else {
    write_file_durably(where, text);
  }
}

const char* const kDataHelp =
    "folder with a folder of images per class; list of images (.csv: path, class and perhaps split "
    "and group); or folder with IDX files in the layout of MNIST";

void add_group_options(CLI::App& parser, GroupOptions& options) {
  parser.add_option("--group-column", options.column,
                    "column of manifest.csv, or of the list, whose equal values stay on one side "
                    "of a split");
  parser.add_option("--group-pattern", options.pattern,
                    "the same from the path: a regular expression, its first bracket the group");
}

std::string weight_file(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return path;
  return RunFolder::open(path).file(kBestModel);
}

std::vector<std::string> weight_files(const std::string& path) {
  if (!is_cross_validation(path)) return {weight_file(path)};
  const Json made = read_cross_validation(path);
  std::vector<std::string> files;
  for (const Json& run : made.at("runs")) {
    files.push_back(path + "/" + run.at("folder").get<std::string>() + "/" + kBestModel);
  }
  return files;
}

ModelCard card_of(const TensorFile& file, const std::string& name, const std::string& model) {
  if (has_card(file) || model.empty()) {
    const ModelCard card = read_card(file, name);
    if (!model.empty() && model != card.spec.name) {
      fail(name, " holds ", card.spec.name, ", and --model says ", model, "; leave it out");
    }
    return card;
  }
  const std::optional<ModelCard> published = published_card(model);
  if (!published) {
    fail(name, " does not say what it is, and there are no public weights of ", model,
         " to go by; lamella convert --model ", model, " makes a file that says it");
  }
  std::fprintf(stderr, "%s: taken as public weights of %s: %s\n", name.c_str(), model.c_str(),
               describe(preprocess_from_metadata(published->preprocessing)).c_str());
  return *published;
}

OpenModel open_model(Context& ctx, const std::string& path, const std::string& model) {
  const std::string name = weight_file(path);
  const TensorFile file = read_weights(name);
  const ModelCard card = card_of(file, name, model);
  if (card.spec.head == "none") {
    fail(name, " ends behind ", card.spec.cut,
         " and has no classifier: lamella forward gives what ",
         "it ends with, lamella train --weights puts a head on it");
  }
  Model loaded = load_model(ctx, file, name, card);
  check_known_answer(ctx, loaded, file, name);
  return {card, std::move(loaded)};
}

std::vector<OpenModel> open_models(Context& ctx, const std::string& path,
                                   const std::string& model) {
  std::vector<OpenModel> members;
  for (const std::string& file : weight_files(path)) {
    members.push_back(open_model(ctx, file, model));
    const ModelCard &first = members.front().card, &card = members.back().card;
    if (card.labels != first.labels || card.preprocessing != first.preprocessing) {
      fail(file, " knows other classes or reads other pixels than the other models of ", path);
    }
  }
  return members;
}

void add_flips_option(CLI::App& parser, int& flips) {
  parser
      .add_option("--flips", flips,
                  "mean probability over so many: 4, the image and its mirror images left-right, "
                  "top-bottom and both; 8, those and all turned by 90 degrees; 1, as it is")
      ->check(CLI::IsMember({1, 4, 8}))
      ->capture_default_str();
}

void add_calibrated_option(CLI::App& parser, bool& calibrated) {
  parser.add_flag("--calibrated", calibrated,
                  "probabilities with the temperature that fits the run's validation images best; "
                  "of a cross-validation each model has its own");
}

void calibrate(std::vector<OpenModel>& members, const std::string& path) {
  const std::vector<std::string> files = weight_files(path);
  for (std::size_t m = 0; m < files.size(); ++m) {
    const std::filesystem::path file = files[m];
    const std::string folder = file.has_parent_path() ? file.parent_path().string() : ".";
    std::vector<Prediction> predictions;
    if (file.filename() == kBestModel && std::filesystem::exists(folder + "/run.json")) {
      const RunFolder run = RunFolder::open(folder);
      for (ValidationImage& image : run.validation(members[m].card.labels.size())) {
        predictions.push_back(std::move(image.prediction));
      }
    }
    if (predictions.empty()) {
      fail(path, " comes without predictions of validation images (validation.jsonl of a run), ",
           "which --calibrated fits the temperature to; leave it out, or name such a run");
    }
    members[m].temperature = fit_temperature(predictions);
    std::fprintf(stderr, "%s: temperature %.3f, of %zu validation images\n", files[m].c_str(),
                 members[m].temperature, predictions.size());
  }
}

void make_ready(Context& ctx, Model& model, std::int64_t images, std::int64_t batch) {
  constexpr std::int64_t kWorth = 3;  // batches
  if (images >= kWorth * batch) model = model.inference_form(ctx, batch);
}

namespace {

// Makes one fold of the training images the validation images, and a test of those there were.
void take_fold(Dataset& dataset, const SplitOptions& options) {
  std::vector<Sample*> training;
  std::vector<std::int32_t> labels;
  std::vector<std::string> groups;
  for (Sample& sample : dataset.samples) {
    if (sample.split != Split::Train) {
      sample.split = Split::Test;
      continue;
    }
    training.push_back(&sample);
    labels.push_back(sample.label);
    groups.push_back(sample.group);
  }
  const auto seed = options.seed + static_cast<std::uint64_t>(options.repeat - 1);
  const std::vector<int> folds =
      grouped_folds(labels, groups, static_cast<int>(options.folds), seed);
  for (std::size_t i = 0; i < folds.size(); ++i) {
    if (folds[i] == options.fold - 1) training[i]->split = Split::Validation;
  }
}

}  // namespace

OpenData open_data(const std::string& path, const GroupOptions& groups,
                   const SplitOptions& options) {
  DatasetOptions dataset_options;
  dataset_options.group_column = groups.column;
  dataset_options.group_pattern = groups.pattern;
  OpenData data{read_dataset(path, dataset_options), ""};
  data.split = "ready-made, by " + data.dataset.split_source;
  if (!data.dataset.has_splits) {
    const double validation = options.folds > 0 ? 0 : options.validation;
    const double train = 1 - validation - options.test;
    if (!(validation >= 0 && options.test >= 0 && train > 0)) {
      throw UsageError(text("--val-fraction ", validation, " and --test-fraction ", options.test,
                            " leave nothing to train on"));
    }
    split(data.dataset, {train, validation, options.test}, options.seed);
    data.drawn = data.drawn_test = true;
    data.split = text("drawn with seed ", options.seed, ": validation ", validation, ", test ",
                      options.test, " of each class; kept together: ", data.dataset.group_source);
  } else if (options.folds == 0 &&
             split_validation_off(data.dataset, options.validation, options.seed)) {
    data.drawn = true;
    data.split += text("; validation: ", options.validation, " of the training images of each ",
                       "class, drawn with seed ", options.seed,
                       "; kept together: ", data.dataset.group_source);
  }
  if (options.folds > 0 && options.fold > 0) {
    take_fold(data.dataset, options);
    data.drawn = true;
    data.split += text("; validation: fold ", options.fold, " of ", options.folds,
                       " of the training images, drawn with seed ",
                       options.seed + static_cast<std::uint64_t>(options.repeat - 1),
                       "; kept together: ", data.dataset.group_source);
  }
  return data;
}

std::string shell_quoted(const std::string& word) {
  const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string& program_name() {
  static std::string name = "lamella";
  return name;
}

}  // namespace lamella::tool
