#include "tools/layer_model.h"

#include <set>

#include "weights/model_io.h"

namespace lamella::tool {

Model cut_and_load(Context& ctx, Model model, const std::string& layer, TensorFile weights,
                   const std::string& file) {
  if (!layer.empty()) {
    std::set<std::string> dropped;
    for (const Parameter& parameter : model.parameters()) dropped.insert(parameter.name);
    model.cut_behind(layer);
    for (const Parameter& parameter : model.parameters()) dropped.erase(parameter.name);
    for (const std::string& name : dropped) weights.tensors.erase(name);
  }
  load_parameters(ctx, model, weights, file);
  return model;
}

Model open_layer(Context& ctx, ModelSpec spec, const std::string& layer, TensorFile weights,
                 const std::string& file) {
  spec.auxiliary = false;
  const std::int64_t stored = classes_in(weights, make_model(ctx, spec));
  if (stored > 0) spec.classes = stored;
  return cut_and_load(ctx, make_model(ctx, spec), layer, std::move(weights), file);
}

}  // namespace lamella::tool
