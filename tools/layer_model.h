// A network that ends behind one of its layers, with the weights it needs. Shared by the verbs that
// read layers.
#pragma once

#include <string>

#include "models/model.h"
#include "weights/safetensors.h"

namespace lamella::tool {

// Ends `model` behind `layer` (empty: not at all) and loads the rest from what was read from
// `file`. What the whole network has behind the layer need not be in the file, and may be.
Model cut_and_load(Context& ctx, Model model, const std::string& layer, TensorFile weights,
                   const std::string& file);

// The same for the network of `spec`, with as many classes as the file has.
Model open_layer(Context& ctx, ModelSpec spec, const std::string& layer, TensorFile weights,
                 const std::string& file);

}  // namespace lamella::tool
