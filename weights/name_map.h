// Names of tensors, from those of a file to those of a network.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weights/safetensors.h"

namespace lamella {

// Rules, one per line; what follows a '#' is a comment.
//
//   stem.*.weight -> features.*.weight           rename
//   block*.layer.*.w -> block*.layer*+1.weight   add to the number that a '*' stands for
//   aux.** -> -                                  leave out
//   fc.* -> fc.* without row 0 of 1001           also leave out the first row, of exactly so many
//
// '*' stands for one or more characters but '.', '**' for one or more of any; on the right, for
// what the wildcard of the same number on the left stood for. A rule is for whole names. The first
// rule that fits a tensor counts; tensors without one keep their name.
class NameMap {
 public:
  // `name` stands for the rules in errors. Throws Error that names the line.
  static NameMap parse(const std::string& rules, const std::string& name);
  // One of names(), or else a file of rules:
  //   densenet_bc_cifar  DenseNet-BC of CIFAR (block1.layer.0.bn1, trans1.conv1, fc) to the names
  //                      torchvision gives DenseNet (features.denseblock1.denselayer1.norm1)
  //   drop_background    classifiers of 1001 classes (TensorFlow's, Cadene's) to 1000: the first,
  //                      the background, goes
  static NameMap open(const std::string& name_or_path);
  static std::vector<std::string> names();

  struct Changes {
    std::vector<std::string> dropped;         // names of tensors
    std::int64_t renamed = 0, shortened = 0;  // tensors with another name; with a row less
  };
  // Throws Error that names `file_name` where a rule fits no tensor, where two tensors would get
  // one name, or where an addend meets what is no number; `file` is then as it was.
  Changes apply(TensorFile& file, const std::string& file_name) const;

 private:
  struct Rule {
    std::string line, from, to;
    std::int64_t rows = 0;  // of a tensor that loses its first; 0: none does
  };
  static Rule parse_rule(const std::string& line, const std::string& where);
  struct Step;  // what becomes of one tensor
  std::vector<Step> plan(const TensorFile& file, const std::string& file_name) const;

  std::string name_;
  std::vector<Rule> rules_;
};

// The name of a tensor in torchvision's DenseNet today (denselayer1.norm1.weight), of the one in
// its old files (denselayer1.norm.1.weight). Any other name stays as it is.
std::string todays_densenet_name(std::string_view name);

}  // namespace lamella
