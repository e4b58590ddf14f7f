// What the verbs of the tool share: options that mean the same everywhere, and the way from options
// to a context, a model and data.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/dataset.h"
#include "tools/recipe.h"
#include "weights/json.h"
#include "weights/model_io.h"

namespace lamella::tool {

// The command line asks for something that makes no sense: exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One verb: its parser, and what it does. `run` returns the exit status.
struct Verb {
  CLI::App* parser;
  std::function<int()> run;
};

Verb add_train(CLI::App& app);
Verb add_eval(CLI::App& app);
Verb add_predict(CLI::App& app);
Verb add_forward(CLI::App& app);
Verb add_embed(CLI::App& app);
Verb add_head(CLI::App& app);
Verb add_convert(CLI::App& app);
Verb add_synth(CLI::App& app);
Verb add_inspect(CLI::App& app);
Verb add_doctor(CLI::App& app);
Verb add_bench(CLI::App& app);

// --- options ----------------------------------------------------------------------------------
struct DeviceOptions {
  std::string device = "auto";
  std::string convolution = {}, product = {};
  std::string dtype = "auto";
  bool training = false;  // what "auto" means depends on it
  int threads = 0;
  bool profiled = false;
  std::shared_ptr<Profile> profile = std::make_shared<Profile>();
};
void add_device_options(CLI::App& parser, DeviceOptions& options);
std::unique_ptr<Context> make_context(const DeviceOptions& options, std::uint64_t seed = 0);
// The table of --profile on stderr, where that was asked for.
void print_profile(const DeviceOptions& options);

// --json [FILE]: "-" is stdout, "" no JSON at all.
void add_json_option(CLI::App& parser, std::string& json);
// Writes it where --json said.
void put_json(const std::string& where, const Json& json);

struct GroupOptions {
  std::string column, pattern;
};
void add_group_options(CLI::App& parser, GroupOptions& options);
// What --data takes, for help and errors.
extern const char* const kDataHelp;

// --- files ------------------------------------------------------------------------------------
// The weight file meant by `path`: itself, or the best model of the run folder it names.
std::string weight_file(const std::string& path);
// Of all members where `path` is the folder of a cross-validation; else as weight_file.
std::vector<std::string> weight_files(const std::string& path);
struct OpenModel {
  ModelCard card;
  Model model;
  double temperature = 1;  // of its probabilities: with_temperature() of train/calibration.h
};
// What `file`, read from `name`, is to be used as: its card, which must be of `model` where that is
// named; or without one the card of the public weights of `model`, which a line on stderr tells.
ModelCard card_of(const TensorFile& file, const std::string& name, const std::string& model);
// `model` names the network where the file has no card.
OpenModel open_model(Context& ctx, const std::string& path, const std::string& model = "");
// All that weight_files(path) names; they know the same classes and read the same pixels.
std::vector<OpenModel> open_models(Context& ctx, const std::string& path,
                                   const std::string& model = "");

// --flips: how many of flipped() of train/flips.h probabilities are the mean of; 1: the image as it
// is.
void add_flips_option(CLI::App& parser, int& flips);

void add_calibrated_option(CLI::App& parser, bool& calibrated);
// Gives each member of open_models(`path`) the temperature that fits the validation images of its
// run best, and tells it on stderr.
void calibrate(std::vector<OpenModel>& members, const std::string& path);

// Turns the model into its inference form, where so many images are worth the run that this takes.
void make_ready(Context& ctx, Model& model, std::int64_t images, std::int64_t batch);

// Splits that are not ready-made are drawn with these fractions; where only validation is not, it
// is drawn from the training images. With `folds`, validation is fold number `fold` of the training
// images (train/folds.h) with seed + repeat - 1, and what the data hold out for validation is a
// test; with fold 0 nothing is taken from the training images.
struct SplitOptions {
  double validation = 0.2, test = 0.0;
  std::uint64_t seed = 0;
  std::int64_t folds = 0, fold = 0, repeat = 1;
};
struct OpenData {
  Dataset dataset;
  std::string split;  // in words: how its images were told apart
  // By chance, so that other images would be told apart otherwise: all splits, or all but the test.
  bool drawn = false, drawn_test = false;
  std::string fingerprint = {};  // of all images found; empty: not asked for yet
};
OpenData open_data(const std::string& path, const GroupOptions& groups, const SplitOptions& split);

// --- text -------------------------------------------------------------------------------------
// Quotes a word for a POSIX shell where it needs it.
std::string shell_quoted(const std::string& word);
// How this process was called: argv[0], for command lines to be printed.
std::string& program_name();

}  // namespace lamella::tool
