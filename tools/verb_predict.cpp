// lamella predict: classes of images, with their probabilities.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <span>

#include "engine/errors.h"
#include "io/image_reader.h"
#include "io/preprocess.h"
#include "tools/common.h"
#include "tools/image_options.h"
#include "train/calibration.h"
#include "train/evaluate.h"
#include "train/flips.h"

namespace lamella::tool {
namespace {

struct PredictArguments {
  std::vector<std::string> paths;  // the run first, where --weights is not given
  std::string model, weights, json;
  std::int64_t batch = 16, top = 3;
  double min_confidence = 0;
  bool calibrated = false;
  int flips = 1;
  PreprocessOptions images;
  DeviceOptions device;
};

struct Result {
  std::string file;
  std::vector<float> probabilities;
};
struct Skipped {
  std::string file, reason;
};

// The image files below a folder, in order of name; a file for itself.
std::vector<std::string> files_at(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::string> below;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    const std::string file = entry.path().string();
    if (entry.is_regular_file() && (is_image_name(file) || is_idx_name(file))) {
      below.push_back(file);
    }
  }
  std::sort(below.begin(), below.end());
  return below;
}

// Names of images: folders stand for what is below them, IDX files for all of their images.
std::vector<std::string> expand(const std::vector<std::string>& paths, ImageReader& reader) {
  std::vector<std::string> names;
  for (const std::string& path : paths) {
    for (const std::string& file : files_at(path)) {
      if (!is_idx_name(file)) {
        names.push_back(file);
        continue;
      }
      std::int64_t inside = 1;  // where the file cannot be read, this image will say why
      try {
        inside = reader.images_in(file);
      } catch (const Error&) {
      }
      for (std::int64_t n = 0; n < inside; ++n) names.push_back(idx_image_name(file, n));
    }
  }
  return names;
}

// Classifies in batches, by the mean of the probabilities of all members and flips; an image that
// cannot be read is set aside with its reason.
class Classifier {
 public:
  Classifier(Context& ctx, const std::vector<OpenModel>& members, ImageReader& reader,
             Preprocess preprocess, const PredictArguments& args)
      : ctx_(ctx),
        members_(members),
        reader_(reader),
        preprocess_(std::move(preprocess)),
        flips_(args.flips),
        most_(static_cast<std::size_t>(args.batch)) {}

  void add(const std::string& file) {
    try {
      const std::vector<float> pixels = prepare_image(reader_.read(file), preprocess_);
      pixels_.insert(pixels_.end(), pixels.begin(), pixels.end());
      waiting_.push_back(file);
    } catch (const Error& error) {
      skipped.push_back({file, error.what()});
    }
    if (waiting_.size() == most_) flush();
  }

  void flush() {
    if (waiting_.empty()) return;
    Batch batch{static_cast<std::int64_t>(waiting_.size()),
                preprocess_.height,
                preprocess_.width,
                preprocess_.channels,
                std::move(pixels_),
                {},
                {}};
    const std::vector<float> all = mean_probabilities(batch);
    const std::int64_t classes = members_.front().model.spec().classes;
    for (std::int64_t n = 0; n < batch.N; ++n) {
      const auto row = all.begin() + n * classes;
      results.push_back({waiting_[static_cast<std::size_t>(n)], {row, row + classes}});
    }
    waiting_.clear();
    pixels_.clear();
  }

  std::vector<Result> results;
  std::vector<Skipped> skipped;

 private:
  static void scale(std::vector<float>& probabilities, const OpenModel& member) {
    const auto classes = static_cast<std::size_t>(member.model.spec().classes);
    for (std::size_t i = 0; i < probabilities.size(); i += classes) {
      const std::span row(probabilities.data() + i, classes);
      std::ranges::copy(with_temperature(row, member.temperature), row.begin());
    }
  }

  std::vector<float> probabilities_of(const OpenModel& member, const Batch& batch) {
    const Tensor logits = member.model.forward(ctx_, input_of(ctx_, member.model, batch));
    std::vector<float> own = ctx_.to_host(softmax(ctx_, logits));
    if (member.temperature != 1) scale(own, member);
    return own;
  }

  std::vector<float> mean_probabilities(const Batch& batch) {
    std::vector<float> mean;
    for (int flip = 0; flip < flips_; ++flip) {
      const Batch view = flip == 0 ? batch : flipped(batch, flip);
      for (const OpenModel& member : members_) {
        const std::vector<float> own = probabilities_of(member, view);
        mean.resize(own.size());
        for (std::size_t i = 0; i < own.size(); ++i) mean[i] += own[i];
      }
    }
    for (float& p : mean) p /= static_cast<float>(members_.size()) * static_cast<float>(flips_);
    return mean;
  }

  Context& ctx_;
  const std::vector<OpenModel>& members_;
  ImageReader& reader_;
  Preprocess preprocess_;
  int flips_;
  std::size_t most_;
  std::vector<std::string> waiting_;
  std::vector<float> pixels_;
};

// Classes from the most to the least probable.
std::vector<std::size_t> ranking(const std::vector<float>& probabilities) {
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return probabilities[a] > probabilities[b];
  });
  return order;
}

Json to_json(const PredictArguments& args, const Classifier& done,
             const std::vector<std::string>& labels) {
  Json json = {{"schema", "lamella.predict/1"}, {"labels", labels},
               {"calibrated", args.calibrated}, {"flips", args.flips},
               {"predictions", Json::array()},  {"skipped", Json::array()}};
  for (const Result& result : done.results) {
    const std::vector<std::size_t> order = ranking(result.probabilities);
    Json top = Json::array();
    for (std::size_t i = 0; i < order.size() && i < static_cast<std::size_t>(args.top); ++i) {
      top.push_back({{"index", order[i]},
                     {"label", labels[order[i]]},
                     {"probability", result.probabilities[order[i]]}});
    }
    json["predictions"].push_back(
        {{"file", result.file},
         {"top", std::move(top)},
         {"confident", double{result.probabilities[order[0]]} >= args.min_confidence}});
  }
  for (const Skipped& skipped : done.skipped) {
    json["skipped"].push_back({{"file", skipped.file}, {"reason", skipped.reason}});
  }
  return json;
}

void print(const PredictArguments& args, const Classifier& done,
           const std::vector<std::string>& labels) {
  for (const Result& result : done.results) {
    std::printf("%s", result.file.c_str());
    const std::vector<std::size_t> order = ranking(result.probabilities);
    for (std::size_t i = 0; i < order.size() && i < static_cast<std::size_t>(args.top); ++i) {
      std::printf("\t%s %.4f", labels[order[i]].c_str(), double{result.probabilities[order[i]]});
    }
    const bool confident = double{result.probabilities[order[0]]} >= args.min_confidence;
    std::printf("%s\n", confident ? "" : "\tunsure");
  }
}

int run(PredictArguments args) {
  if (args.weights.empty()) {
    if (args.paths.empty()) throw UsageError("predict needs a run folder or --weights FILE");
    args.weights = args.paths.front();
    args.paths.erase(args.paths.begin());
  }
  if (args.paths.empty()) throw UsageError("predict needs at least one image or folder of images");
  const auto ctx = make_context(args.device);
  std::vector<OpenModel> members = open_models(*ctx, args.weights, args.model);
  if (args.calibrated) calibrate(members, args.weights);
  const ModelCard card = members.front().card;
  const Preprocess preprocess = preprocess_from_metadata(card.preprocessing);
  args.images.check_agreement(preprocess, args.weights);
  ImageReader reader;
  const std::vector<std::string> files = expand(args.paths, reader);
  for (OpenModel& member : members) {
    make_ready(*ctx, member.model, static_cast<std::int64_t>(files.size()), args.batch);
  }
  Classifier classifier(*ctx, members, reader, preprocess, args);
  for (const std::string& file : files) classifier.add(file);
  classifier.flush();
  print_profile(args.device);
  for (const Skipped& skipped : classifier.skipped) {
    std::fprintf(stderr, "skipped: %s\n", skipped.reason.c_str());
  }
  if (!args.json.empty()) put_json(args.json, to_json(args, classifier, card.labels));
  if (args.json != "-") print(args, classifier, card.labels);
  if (classifier.results.empty()) fail("no image could be read");
  return classifier.skipped.empty() ? 0 : 1;
}

}  // namespace

Verb add_predict(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("predict", "classify images with a trained model");
  auto args = std::make_shared<PredictArguments>();
  parser
      ->add_option("paths", args->paths,
                   "run folder, cross-validation (all its models together) or weight file (unless "
                   "--weights), then images, IDX files and folders of them")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  parser->add_option("--weights", args->weights, "weight file");
  parser->add_option("--model", args->model,
                     "network of a weight file that does not say it, such as torchvision's");
  parser->add_option("--top", args->top, "classes to tell per image")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  parser
      ->add_option("--min-confidence", args->min_confidence,
                   "below this probability a prediction is marked as unsure")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  add_flips_option(*parser, args->flips);
  add_calibrated_option(*parser, args->calibrated);
  parser->add_option("--batch", args->batch, "images per step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  add_preprocess_options(*parser, args->images);
  add_device_options(*parser, args->device);
  add_json_option(*parser, args->json);
  parser->footer(
      "An image that cannot be read is told and left out; the exit status is then 1.\n"
      "Example:\n  lamella predict run1 new/crop7.tif other_crops --json out.json\n"
      "  lamella predict --model squeezenet1_1 --weights squeezenet1_1-b8a52dc0.pth dog.jpg");
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
