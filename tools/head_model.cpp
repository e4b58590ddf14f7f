#include "tools/head_model.h"

#include <map>

#include "engine/errors.h"
#include "io/preprocess.h"
#include "tools/common.h"
#include "tools/layer_model.h"
#include "train/linear_head.h"
#include "weights/known_answer.h"
#include "weights/read_weights.h"

namespace lamella::tool {
namespace {

// The network that made the features.
ModelSpec spec_of(const FeatureSet& set, const Preprocess& preprocess) {
  const auto origin = [&](const std::string& key, const std::string& otherwise) {
    const auto found = set.origin.find(key);
    return found == set.origin.end() ? otherwise : found->second;
  };
  ModelSpec spec{origin("architecture", ""), preprocess.height, preprocess.width,
                 preprocess.channels, static_cast<std::int64_t>(set.classes.size())};
  spec.cut = origin("cut", "");
  spec.head = origin("head", spec.head);
  return spec;
}

// The same network with a linear head behind the layer.
ModelSpec with_head(ModelSpec spec, const std::string& layer) {
  const bool features = layer == "features";
  if (features && spec.head == "mlp") {
    fail("the features are those of an mlp head, behind which no file can have another head; ",
         "choose a --layer in front of it for lamella embed");
  }
  // "features" of a network that is cut, or has another head, are what its own head reads.
  if (!features || (spec.cut.empty() && spec.head != "linear")) spec.cut = layer;
  if (!features || spec.head != "linear") spec.head = "own";
  return spec;
}

void put_head(Context& ctx, const Model& model, const LinearHead& head) {
  for (const Parameter& parameter : model.parameters()) {
    if (parameter.name == model.classifier_prefix() + ".weight") {
      parameter.assign(ctx, head.weight());
    } else if (parameter.name == model.classifier_prefix() + ".bias") {
      parameter.assign(ctx, head.bias());
    }
  }
}

}  // namespace

void write_head_model(Context& ctx, const std::string& path, const FeatureSet& set,
                      const std::string& weights, const StandardisedHead& trained) {
  const Preprocess preprocess = preprocess_from_metadata(set.origin);
  const ModelSpec whole = spec_of(set, preprocess);
  const std::string& layer = set.origin.at("layer");
  const std::string file = weight_file(weights.empty() ? set.weights : weights);
  const Model body = open_layer(ctx, whole, layer, read_weights(file), file);
  if (weights_hash(ctx, body) != set.origin.at("weights")) {
    fail(file, " does not hold the weights that made the features (hash ", weights_hash(ctx, body),
         ", was ", set.origin.at("weights"), "); name those with --weights");
  }
  const ModelSpec spec = with_head(whole, layer);
  const Model model = make_model(ctx, spec);
  std::map<std::string, Tensor> from;
  for (const Parameter& parameter : body.parameters()) from[parameter.name] = parameter.values();
  for (const Parameter& parameter : model.parameters()) {
    const auto found = from.find(parameter.name);
    if (found != from.end()) parameter.assign(ctx, ctx.to_host(found->second));
  }
  const auto& head = dynamic_cast<const LinearHead&>(*trained.head);
  put_head(ctx, model, head.unstandardised(trained.standardiser));
  TensorFile made = model_file(ctx, model, {spec, set.classes, to_metadata(preprocess)});
  put_known_answer(ctx, model, made);
  write_safetensors(path, made);
}

}  // namespace lamella::tool
