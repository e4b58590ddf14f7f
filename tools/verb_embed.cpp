// lamella embed: what a layer of a network makes of every image of a data set, kept in a file.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "engine/errors.h"
#include "io/loader.h"
#include "tools/common.h"
#include "tools/image_options.h"
#include "tools/interrupt.h"
#include "tools/layer_model.h"
#include "tools/progress.h"
#include "train/features.h"
#include "train/format.h"
#include "weights/published.h"
#include "weights/read_weights.h"

namespace lamella::tool {
namespace {

struct EmbedArguments {
  std::string model, weights, data, layer = "features", out, json;
  std::int64_t batch = 16;
  PreprocessOptions images;
  GroupOptions groups;
  DeviceOptions device;
};

// The network that ends behind the layer, and how its images are made.
struct Extractor {
  Model model;
  Preprocess preprocess;
};

// Of a file that says nothing about itself and no public one either: all by options.
ModelCard card_by_options(const EmbedArguments& args, const std::string& file) {
  const PreprocessOptions& images = args.images;
  if (!images.size || !images.channels || images.normalise.empty()) {
    fail(file, " does not say what it is, and there are no public weights of ", args.model,
         " to go by: give --size, --channels and --normalise");
  }
  ModelCard card;
  card.spec.name = args.model;
  return card;
}

Extractor open_extractor(Context& ctx, const EmbedArguments& args, const std::string& file) {
  TensorFile weights = read_weights(file);
  const bool says_itself = has_card(weights) || args.model.empty();
  const bool known = says_itself || published_card(args.model).has_value();
  const ModelCard card = known ? card_of(weights, file, args.model) : card_by_options(args, file);
  const Preprocess said = known ? preprocess_from_metadata(card.preprocessing) : Preprocess();
  if (says_itself) args.images.check_agreement(said, file);
  const Preprocess preprocess = args.images.over(said);
  if (!(preprocess == said)) {
    std::fprintf(stderr, "images as asked for: %s\n", describe(preprocess).c_str());
  }
  ModelSpec spec = card.spec;
  spec.height = preprocess.height, spec.width = preprocess.width;
  spec.channels = preprocess.channels;
  return {open_layer(ctx, spec, args.layer, std::move(weights), file), preprocess};
}

// All that a file of these features says, but the features themselves.
FeatureSet describe(Context& ctx, const EmbedArguments& args, const Extractor& extractor,
                    const Dataset& dataset, const std::string& file) {
  FeatureSet set;
  set.data = std::filesystem::absolute(args.data).lexically_normal().string();
  set.weights = std::filesystem::absolute(file).lexically_normal().string();
  set.classes = dataset.classes;
  for (const Sample& sample : dataset.samples) {
    set.samples.push_back({sample.path, sample.group, name_of(sample.split), sample.label});
  }
  set.origin = to_metadata(extractor.preprocess);
  const ModelSpec& spec = extractor.model.spec();
  set.origin["architecture"] = spec.name;
  if (!spec.cut.empty()) set.origin["cut"] = spec.cut;
  if (spec.head != "own") set.origin["head"] = spec.head;
  if (ctx.dtype != DType::F32) set.origin["dtype"] = name_of(ctx.dtype);
  set.origin["layer"] = args.layer;
  set.origin["weights"] = weights_hash(ctx, extractor.model);
  set.origin["images"] = fingerprint(dataset);
  return set;
}

// Features that lie at --out already. Whatever else lies there is not overwritten.
std::optional<FeatureSet> found_at(const std::string& out) {
  if (!std::filesystem::exists(out)) return std::nullopt;
  try {
    return read_features(out);
  } catch (const Error& error) {
    fail("--out is not overwritten: ", error.what(), "; remove it or name another file");
  }
}

// Why a file of features is made again.
void tell_differences(const std::string& out, const FeatureSet& then, const FeatureSet& now) {
  std::string changed;
  for (const std::string& key : differences(then, now)) {
    changed += (changed.empty() ? "" : ", ") + key;
  }
  std::fprintf(stderr, "%s is made again; changed: %s\n", out.c_str(), changed.c_str());
}

void extract(Context& ctx, const EmbedArguments& args, const Extractor& extractor,
             const Dataset& dataset, FeatureSet& set) {
  LoaderOptions options;
  options.batch = args.batch;
  options.shuffle = false;
  options.cache_bytes = 0;
  Loader loader(dataset, extractor.preprocess, options);
  Progress progress("embed", loader.images(), "images");
  watch_interrupts();
  set.values = extract_features(ctx, extractor.model, loader, [&](std::int64_t done) {
    progress.update(done);
    return !interrupted();
  });
  set.width = static_cast<std::int64_t>(set.values.size() / set.samples.size());
}

void tell(const EmbedArguments& args, const FeatureSet& set, bool reused, double seconds) {
  const Json json = {{"schema", "lamella.embed/1"},
                     {"out", args.out},
                     {"architecture", set.origin.at("architecture")},
                     {"layer", args.layer},
                     {"n", set.samples.size()},
                     {"width", set.width},
                     {"fingerprint", fingerprint(set)},
                     {"reused", reused},
                     {"seconds", seconds}};
  if (!args.json.empty()) put_json(args.json, json);
  if (args.json == "-") return;
  std::printf("%s: %lld features of %zu images, %s of %s%s, %s s\n", args.out.c_str(),
              static_cast<long long>(set.width), set.samples.size(), args.layer.c_str(),
              set.origin.at("architecture").c_str(),
              reused ? "; nothing has changed, the file is used as it is" : "",
              fixed(seconds, 1).c_str());
}

int run(const EmbedArguments& args) {
  const auto start = std::chrono::steady_clock::now();
  std::optional<FeatureSet> found = found_at(args.out);
  const auto ctx = make_context(args.device);
  const std::string file = weight_file(args.weights);
  Extractor extractor = open_extractor(*ctx, args, file);
  const Dataset dataset = read_dataset(args.data, {args.groups.column, args.groups.pattern, ""});
  FeatureSet set = describe(*ctx, args, extractor, dataset, file);
  const bool reused = found && fingerprint(*found) == fingerprint(set);
  if (found && !reused) tell_differences(args.out, *found, set);
  if (reused) {
    set = std::move(*found);
  } else {
    make_ready(*ctx, extractor.model, static_cast<std::int64_t>(dataset.samples.size()),
               args.batch);
    extract(*ctx, args, extractor, dataset, set);
    write_features(args.out, set);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  tell(args, set, reused, seconds.count());
  return 0;
}

}  // namespace

Verb add_embed(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("embed", "keep what a layer makes of a data set's images");
  auto args = std::make_shared<EmbedArguments>();
  parser->add_option("--model", args->model, "network; default: what the weight file names");
  parser->add_option("--weights", args->weights, "weight file or run folder")->required();
  parser->add_option("--data", args->data, kDataHelp)->required();
  parser->add_option("--layer", args->layer, "whose output is kept, averaged over its pixels")
      ->capture_default_str();
  parser->add_option("--out", args->out, "file of features; used again where nothing has changed")
      ->required();
  parser->add_option("--batch", args->batch, "images per step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  add_preprocess_options(*parser, args->images);
  add_group_options(*parser, args->groups);
  add_device_options(*parser, args->device);
  add_json_option(*parser, args->json);
  parser->footer(
      "Example:\n  lamella embed --model inception_v3_tf --weights inception.safetensors "
      "--data crops \\\n    --layer Mixed_6c --out crops-6c.safetensors\n"
      "then lamella head trains on the file.");
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
