#include "tools/transfer_options.h"

#include <cmath>
#include <cstdio>
#include <optional>

#include "engine/errors.h"
#include "tools/lists.h"
#include "weights/published.h"
#include "weights/read_weights.h"
#include "weights/transfer.h"

namespace lamella::tool {
namespace {

const char* const kNewHead = "new";

// "features.=0.1,classifier=1": beginnings of names and factors.
std::vector<std::pair<std::string, float>> parse_factors(const std::string& list) {
  std::vector<std::pair<std::string, float>> factors;
  for (const std::string& word : split_list(list)) {
    const std::size_t equals = word.rfind('=');
    const bool named = equals != std::string::npos && equals > 0;
    const double factor = named ? number_in(word.substr(equals + 1)) : NAN;
    if (std::isnan(factor)) {
      throw UsageError("--lr-factors: '" + word + "' is not NAME=FACTOR, as in features.=0.1");
    }
    factors.emplace_back(word.substr(0, equals), static_cast<float>(factor));
  }
  return factors;
}

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 4;
  std::string line;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) line += " " + names[i];
  return names.size() > kShown ? line + " ..." : line;
}

// Training on images of another kind is no mistake, but should not happen unseen.
void tell_other_images(const TensorFile& weights, const std::string& file,
                       const std::string& network, const Preprocess& preprocess) {
  const std::optional<ModelCard> card =
      has_card(weights) ? read_card(weights, file) : published_card(network);
  if (!card) return;
  const Preprocess expected = preprocess_from_metadata(card->preprocessing);
  if (expected == preprocess) return;
  std::fprintf(stderr, "%s was made for images of: %s\nthis run makes them: %s\n", file.c_str(),
               describe(expected).c_str(), describe(preprocess).c_str());
}

}  // namespace

void TransferArguments::add_to(ModelSpec& spec) const {
  spec.cut = cut;
  spec.head = head == kNewHead ? "own" : head;
  spec.auxiliary = auxiliary;
}

void TransferArguments::add_to(TrainOptions& options) const {
  options.freeze = {freeze, unfreeze_every};
  options.optimiser.factors = parse_factors(lr_factors);
}

void TransferArguments::check() const {
  const bool takes_weights = !weights.empty() || take != "values" || !take_until.empty();
  if (!from.empty() && (takes_weights || head == kNewHead)) {
    throw UsageError(
        "--from takes all that a run has learnt; leave out --weights, --take, "
        "--take-until and --head new");
  }
}

void add_transfer_options(CLI::App& parser, TransferArguments& a) {
  parser.add_option("--from", a.from,
                    "finished run whose best weights to go on from, with further data: its classes "
                    "keep their numbers, new ones follow; network and kind of images are its own");
  parser.add_option("--weights", a.weights, "start from these weights, not from random ones");
  parser
      .add_option("--head", a.head,
                  "own: the network's classifier, from the weights; new: the same, drawn; linear: "
                  "global pool and one layer, drawn; mlp: two hidden layers of 1024, drawn")
      ->check(CLI::IsMember({"own", kNewHead, "linear", "mlp"}))
      ->capture_default_str();
  parser.add_option("--cut", a.cut,
                    "end the network behind this layer; a linear head follows, unless --head mlp");
  parser.add_flag("--auxiliary", a.auxiliary,
                  "train googlenet or inception_v3 with their auxiliary classifiers");
  parser
      .add_option("--take", a.take,
                  "of the weights: values, or mean_var, only each tensor's mean and variance")
      ->check(CLI::IsMember({"values", "mean_var"}))
      ->capture_default_str();
  parser.add_option("--take-until", a.take_until,
                    "take weights up to this layer only; what follows is drawn");
  parser
      .add_option("--freeze", a.freeze,
                  "what is not trained: none; body, all but the head; before:LAYER; or beginnings "
                  "of names, with commas between")
      ->capture_default_str();
  parser
      .add_option("--unfreeze-every", a.unfreeze_every,
                  "epochs after which one more frozen layer trains, the last first; 0: none does")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  parser.add_option("--lr-factors", a.lr_factors,
                    "factors on the learning rate by beginnings of names: features.=0.1,fc=1");
}

void start_weights(Context& ctx, const Model& model, const TransferArguments& args,
                   const Preprocess& preprocess, std::uint64_t seed) {
  model.initialise(ctx, seed);
  const std::string& source = args.from.empty() ? args.weights : args.from;
  if (source.empty()) {
    if (!args.take_until.empty() || args.take != "values") {
      throw UsageError("--take and --take-until say what to take of --weights, which is not given");
    }
    return;
  }
  const std::string file = weight_file(source);
  TransferOptions options;
  // A cut network has a head that no other file holds, unless that file is of the same cut.
  options.new_head = args.from.empty() && args.head != "own";
  options.more_classes = !args.from.empty();
  options.mean_var = args.take == "mean_var";
  options.until = args.take_until;
  options.seed = seed;
  TensorFile weights = read_weights(file);
  tell_other_images(weights, file, model.spec().name, preprocess);
  if (args.from.empty() && !args.cut.empty() && args.head == "own") {
    options.new_head = !weights.tensors.contains(text(model.classifier_prefix(), ".weight"));
  }
  const TransferReport report = transfer(ctx, model, std::move(weights), file, options);
  if (report.summed_channels) {
    std::fprintf(stderr, "%s: the first filter is summed over its 3 channels for gray images\n",
                 file.c_str());
  }
  if (!report.drawn.empty()) {
    std::fprintf(stderr, "drawn, not taken from %s: %zu tensors:%s\n", file.c_str(),
                 report.drawn.size(), some_of(report.drawn).c_str());
  }
}

}  // namespace lamella::tool
