// lamella convert: a weight file of any form becomes safetensors that PyTorch and lamella load.
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "engine/errors.h"
#include "tools/common.h"
#include "tools/image_options.h"
#include "weights/durable_file.h"
#include "weights/filter_layout.h"
#include "weights/known_answer.h"
#include "weights/name_map.h"
#include "weights/published.h"
#include "weights/read_weights.h"

namespace lamella::tool {
namespace {

struct ConvertArguments {
  std::string in, out, model, layer, labels, entry, json;
  std::vector<std::string> maps;
  PreprocessOptions images;
};

// --- the card ---------------------------------------------------------------------------------
std::vector<std::string> read_labels(const std::string& path) {
  std::vector<std::string> labels;
  std::istringstream lines(read_text_file(path));
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) fail(path, ": line ", labels.size() + 1, " is empty; one class per line");
    labels.push_back(line);
  }
  return labels;
}

// The card that the file has, which the command line may confirm but not contradict.
ModelCard confirmed(const ConvertArguments& args, const ModelCard& card, const std::string& in) {
  if (!args.layer.empty() && args.layer != card.spec.cut) {
    fail(in, card.spec.cut.empty() ? " is a whole network" : " ends behind ", card.spec.cut,
         ", and --layer ", args.layer, " was asked for; leave it out");
  }
  args.images.check_agreement(preprocess_from_metadata(card.preprocessing), in);
  if (!args.labels.empty() && read_labels(args.labels) != card.labels) {
    fail(in, " has labels, and those of ", args.labels, " are others; leave --labels out");
  }
  return card;
}

// The network of a file without a card: its channels and classes are the file's.
ModelSpec spec_in(Context& ctx, const ConvertArguments& args, std::int64_t size,
                  const TensorFile& file, const std::string& in) {
  ModelSpec spec{args.model, size, size, 1, 1};
  if (!args.layer.empty()) {
    spec.cut = args.layer;
    spec.head = "none";
  }
  const Model any = make_model(ctx, spec);
  const std::int64_t channels = channels_in(file, any, in), classes = classes_in(file, any);
  if (channels > 0) spec.channels = channels;
  if (classes > 0 && args.layer.empty()) spec.classes = classes;
  return spec;
}

// Labels as asked for, or those of the public weights, as many as there are classes.
std::vector<std::string> labels_for(const ConvertArguments& args, const ModelSpec& spec,
                                    const std::optional<ModelCard>& published,
                                    const std::string& in) {
  if (spec.head == "none") {
    if (!args.labels.empty()) throw UsageError("--labels: there are no classes behind --layer");
    return {};
  }
  const std::vector<std::string> labels =
      args.labels.empty() ? published->labels : read_labels(args.labels);
  if (static_cast<std::int64_t>(labels.size()) != spec.classes) {
    fail(args.labels, " has ", labels.size(), " labels, and ", in, " has ", spec.classes,
         " classes");
  }
  return labels;
}

// The card of a file that has none, whose network is args.model. What is not given is that of the
// public weights, where the file has their form.
ModelCard new_card(Context& ctx, const ConvertArguments& args, const TensorFile& file,
                   const std::string& in) {
  std::optional<ModelCard> published = published_card(args.model);
  Preprocess base = published ? preprocess_from_metadata(published->preprocessing) : Preprocess{};
  ModelCard card;
  card.spec = spec_in(ctx, args, args.images.size.value_or(base.height), file, in);
  load_model(ctx, file, in, card);  // refuses what does not fit, before more is asked for
  const bool whole = args.layer.empty();
  if (published && (card.spec.channels != 3 || (whole && card.spec.classes != 1000))) {
    published.reset();
    base = Preprocess{};
  }
  const bool images_said = args.images.size && !args.images.normalise.empty();
  if (!published && (!images_said || (whole && args.labels.empty()))) {
    throw UsageError(text(in, " has ", card.spec.channels, " channels and ", card.spec.classes,
                          " classes and is none of the public weights, so nothing says what it "
                          "expects: give --size, --normalise, and --labels, a name per line"));
  }
  base.channels = card.spec.channels;
  const Preprocess preprocess = args.images.over(base);
  if (preprocess.channels != card.spec.channels) {
    fail("--channels ", preprocess.channels, " was asked for, and the first convolution of ", in,
         " takes ", card.spec.channels);
  }
  card.labels = labels_for(args, card.spec, published, in);
  card.preprocessing = to_metadata(preprocess);
  return card;
}

// What the file is written as: `own` is the card it came with. A file whose names were changed
// keeps it only where --model says so.
std::optional<ModelCard> card_for(const ConvertArguments& args, const std::optional<ModelCard>& own,
                                  const TensorFile& file, const std::string& in) {
  if (args.model.empty() && (!own || !args.maps.empty())) return std::nullopt;
  if (own) return confirmed(args, *own, in);
  Context ctx;
  return new_card(ctx, args, file, in);
}

// Refuses weights that do not fit, or whose network computes something else than it did. A file
// that does not say what it computes says it from now on.
void check_weights(TensorFile& file, const ModelCard& card, const std::string& in) {
  Context ctx;
  const Model model = load_model(ctx, file, in, card);
  if (card.spec.head == "none") return;
  check_known_answer(ctx, model, file, in);
  if (!file.metadata.contains(kKnownAnswer)) put_known_answer(ctx, model, file);
}

// --- the file ---------------------------------------------------------------------------------

std::string joined(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  std::string line;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) line += " " + names[i];
  if (names.size() > kShown) line += text(" and ", names.size() - kShown, " more");
  return line;
}

void print(const Json& json) {
  std::printf("%s: %s", json.at("in").get<std::string>().c_str(),
              json.at("form").get<std::string>().c_str());
  const std::string entry = json.at("entry");
  if (!entry.empty()) std::printf(", entry %s", entry.c_str());
  std::printf("\n%s: %lld tensors, %lld elements, %lld renamed\n",
              json.at("out").get<std::string>().c_str(), json.at("tensors").get<long long>(),
              json.at("elements").get<long long>(), json.at("renamed").get<long long>());
  if (json.contains("model")) {
    const std::string layer = json.at("layer");
    std::printf("%s%s, %lld classes; %s\n", json.at("model").get<std::string>().c_str(),
                layer.empty() ? "" : (" up to " + layer).c_str(),
                json.at("classes").get<long long>(), json.at("images").get<std::string>().c_str());
  }
  for (const char* kind : {"dropped", "skipped"}) {
    const auto names = json.at(kind).get<std::vector<std::string>>();
    if (!names.empty()) std::printf("%s:%s\n", kind, joined(names).c_str());
  }
}

int run(const ConvertArguments& args) {
  if (!args.out.ends_with(".safetensors")) {
    throw UsageError("--out " + args.out + " must end in .safetensors, the form that is written");
  }
  if (args.model.empty() && !args.layer.empty()) {
    throw UsageError("--layer names a stage of a network: give --model too");
  }
  const std::string in = weight_file(args.in);
  std::error_code absent;
  if (std::filesystem::equivalent(in, args.out, absent)) {
    throw UsageError("--out " + args.out + " is the file that is read; give it another name");
  }
  ReadReport report;
  TensorFile file = read_weights(in, args.entry, &report);
  std::optional<ModelCard> card;
  if (has_card(file)) card = card_of(file, in, args.model);
  const std::string answer = file.metadata[kKnownAnswer];  // stays where the weights do
  to_pytorch(file, in);
  if (!answer.empty() && args.maps.empty()) file.metadata[kKnownAnswer] = answer;
  Json json = {{"schema", "lamella.convert/1"},
               {"in", in},
               {"form", report.form},
               {"entry", report.entry},
               {"out", args.out},
               {"renamed", 0},
               {"shortened", 0},
               {"dropped", Json::array()},
               {"skipped", report.skipped}};
  for (const std::string& map : args.maps) {
    const NameMap::Changes changes = NameMap::open(map).apply(file, in);
    json["renamed"] = json["renamed"].get<std::int64_t>() + changes.renamed;
    json["shortened"] = json["shortened"].get<std::int64_t>() + changes.shortened;
    for (const std::string& name : changes.dropped) json["dropped"].push_back(name);
  }
  std::int64_t elements = 0;
  for (const auto& [name, tensor] : file.tensors) elements += tensor.count();
  json["tensors"] = file.tensors.size();
  json["elements"] = elements;
  card = card_for(args, card, file, in);
  if (card) {
    check_weights(file, *card, in);
    put_card(file, *card);
    file.metadata[kFiltersKey] = "KCRS";
    json["model"] = card->spec.name;
    json["layer"] = card->spec.cut;
    json["classes"] = card->labels.size();
    json["images"] = describe(preprocess_from_metadata(card->preprocessing));
  }
  write_safetensors(args.out, file);
  if (!args.json.empty()) put_json(args.json, json);
  if (args.json != "-") print(json);
  return 0;
}

}  // namespace

Verb add_convert(CLI::App& app) {
  CLI::App* parser = app.add_subcommand(
      "convert", "make safetensors of any weight file, with PyTorch's names and layout");
  auto args = std::make_shared<ConvertArguments>();
  parser->add_option("in", args->in, "PyTorch checkpoint, safetensors file or run folder")
      ->required();
  parser->add_option("--out", args->out, "file to write; ends in .safetensors")->required();
  parser->add_option("--model", args->model,
                     "network that the weights are checked against; the file then says all that "
                     "predict, eval and forward need. Default: what the file itself says");
  parser->add_option("--layer", args->layer,
                     "with --model: the file ends behind this stage; features: all but the "
                     "classifier");
  parser->add_option("--labels", args->labels,
                     "file with the name of a class per line; default: ImageNet's 1000");
  std::string maps;
  for (const std::string& name : NameMap::names()) maps += name + ", ";
  parser
      ->add_option(
          "--map", args->maps,
          "changes of names: " + maps +
              "or a file of rules, one `from -> to` per line "
              "(weights/name_map.h); may be given again, each for what the one before left")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  parser->add_option("--entry", args->entry,
                     "entry of the checkpoint that holds the weights; default: state_dict and the "
                     "like, where it is plain which");
  add_preprocess_options(*parser, args->images);
  add_json_option(*parser, args->json);
  parser->footer(
      "Example:\n  lamella convert squeezenet1_1-b8a52dc0.pth --model squeezenet1_1 --out "
      "squeezenet.safetensors\n  lamella convert model_best.pth.tar --out model.safetensors --map "
      "densenet_bc_cifar");
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
