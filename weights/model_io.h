// A model's parameters to and from safetensors, strictly by name and shape, and the card that says
// what a weight file is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/model.h"
#include "weights/safetensors.h"

namespace lamella {

// What a weight file says about itself, in __metadata__: "schema" is lamella.model/1,
// "architecture", "input" and, where they are not the default, "cut", "head" and "auxiliary" are
// the network's ModelSpec, "labels" a JSON list; preprocessing is the pairs whose keys begin with
// "preprocess.", and io/preprocess.h gives them meaning. Beside the card stands the layout of
// filters (filter_layout.h).
struct ModelCard {
  ModelSpec spec;
  std::vector<std::string> labels;                   // one per class; none without a head
  std::map<std::string, std::string> preprocessing;  // keys begin with kPreprocessPrefix
};
inline constexpr const char* kPreprocessPrefix = "preprocess.";

// Tensors of an optimiser share a checkpoint with the weights; their names begin so. They are no
// part of the model: a checkpoint can be read wherever a weight file can.
inline constexpr const char* kOptimiserPrefix = "optimiser/";

// All parameters and buffers under their own names, f32, filters [K,R,S,C], with the card.
TensorFile model_file(Context& ctx, const Model& model, const ModelCard& card);

// Writes the card into the metadata, beside what is there.
void put_card(TensorFile& file, const ModelCard& card);
// Whether there is a card, or what claims to be one.
bool has_card(const TensorFile& file);
// Throws Error that names `name` when the card is missing or makes no sense.
ModelCard read_card(const TensorFile& file, const std::string& name);

// Copies every parameter and buffer from `file` (F32, F16, BF16 or F64), which lamella wrote or,
// with filters [K,C,R,S], PyTorch. A filter as large as its map may be a linear layer there,
// [K,CRS]. Throws Error that lists the tensors that are missing, of another shape or type, or not
// in the model; the model is then untouched. `num_batches_tracked` may be there, and so may
// auxiliary classifiers that the model is built without (torchvision's aux1, aux2 and AuxLogits).
// DenseNet-BC-100-12 also takes the names that CIFAR checkpoints have (name_map.h).
void load_parameters(Context& ctx, const Model& model, const TensorFile& file,
                     const std::string& name);
// The same for some parameters of a network of this name.
void load_parameters(Context& ctx, const std::vector<Parameter>& parameters,
                     const std::string& network, const TensorFile& file, const std::string& name);

// How many classes the classifier of `model`, built for any number, has in `file`; 0: it is not
// there.
std::int64_t classes_in(const TensorFile& file, const Model& model);
// How many channels its first convolution takes in `file`; 0: it is not there. Throws Error that
// names `name` where the file's layout of filters is unknown.
std::int64_t channels_in(const TensorFile& file, const Model& model, const std::string& name);

// Builds the network the card names, but for auxiliary classifiers, which are for training, and
// loads it; no weight is drawn first. Without `card` it is the file's own.
Model load_model(Context& ctx, const TensorFile& file, const std::string& name);
Model load_model(Context& ctx, const TensorFile& file, const std::string& name,
                 const ModelCard& card);

// 16 hex digits over the bits of all parameters and buffers (FNV-1a, 64 bit, by 32-bit words):
// equal weights have equal hashes on every machine.
std::string weights_hash(Context& ctx, const Model& model);

}  // namespace lamella
