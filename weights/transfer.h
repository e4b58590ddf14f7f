// Weights of one task as the start of another: which of them are taken, and how.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/model.h"
#include "weights/safetensors.h"

namespace lamella {

struct TransferOptions {
  // The classifier stays as it was drawn, whatever the file has for it, and so do auxiliary ones.
  bool new_head = false;
  // The file's classifier, and auxiliary ones, may know the first of the model's classes only: the
  // rows of the others stay as drawn.
  bool more_classes = false;
  // Instead of a tensor's values, only their mean and variance: its elements are drawn from the
  // normal distribution that has them (Mean-Var of Raghu et al. 2019, "Transfusion", section 5).
  // Filters and matrices only; biases and batch norm are taken as they are.
  bool mean_var = false;
  // Not empty: layers behind this one, a name of layer_names(), stay as they were drawn.
  std::string until = {};
  std::uint64_t seed = 0;  // of mean_var
};

struct TransferReport {
  std::vector<std::string> drawn;   // parameters of the model that were left as they were
  std::vector<std::string> unused;  // tensors of the file that the model has no place for
  bool summed_channels = false;     // of the first filter, see below
};

// Copies from `file` into `model`, whose weights have been drawn, every parameter that `options`
// does not leave out. Auxiliary classifiers that the file does not have stay as drawn, too. Strict
// like load_parameters: what is to be taken must be there in its shape;
// what is there must be taken, or belong to a part of the whole network that is cut off, replaced
// or left out.
//
// Where the model reads one channel and the file's first filter three, the filter is summed over
// its channels: the same result as repeating a gray image three times, for images whose channels
// are normalised alike.
TransferReport transfer(Context& ctx, const Model& model, TensorFile file, const std::string& name,
                        const TransferOptions& options);

}  // namespace lamella
