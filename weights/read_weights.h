// Reads a weight file of any form: what it is, its content says and not its name.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "weights/safetensors.h"

namespace lamella {

// What was found on the way.
struct ReadReport {
  std::string form;   // "safetensors", "PyTorch zip", "PyTorch legacy" or "PyTorch tar"
  std::string entry;  // the keys that lead to the weights, joined by '/'; empty: all of the file
  std::vector<std::string> skipped;  // entries beside the tensors, which are no tensors
};

// safetensors, and everything torch.save has written: the zip form, the older form that begins with
// a magic number, and the oldest, a tar archive. Nothing in the file is imported or run.
//
// A checkpoint of training holds more than the weights. They are, in this order:
//   1. the entry called `entry`, where that is not empty;
//   2. the first of state_dict, model_state_dict, model, net, network, weights, params,
//      state_dict_ema, model_ema, ema, that is there, and again in that one;
//   3. the dictionary itself, where it has tensors of its own;
//   4. the only dictionary in it that has tensors of its own.
// Otherwise the error lists the keys. Where every name of a tensor begins with `module.`
// (DataParallel) or `_orig_mod.` (torch.compile), these are taken off. Tensors that share a storage
// become copies, views become contiguous. Filters stay [K,C,R,S] (see filter_layout.h). Old names
// of torchvision's DenseNet become today's; name_map.h has the means for others.
//
// Memory is at most twice the file's length and 4 MiB, tensors included, whatever the file says.
// Throws Error that names the file, what is wrong and the way out.
TensorFile read_weights(const std::string& path, const std::string& entry = "",
                        ReadReport* report = nullptr);
// The same from memory, which does not count; `name` stands for the file in errors.
TensorFile parse_weights(std::span<const std::byte> bytes, const std::string& name,
                         const std::string& entry = "", ReadReport* report = nullptr);

}  // namespace lamella
