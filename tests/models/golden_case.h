// One committed golden (tests/goldens/*.safetensors, made by make_goldens.py) and the network it
// speaks of, with the same weights and the same input.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/context.h"
#include "models/model.h"

namespace lamella::golden {

// LAMELLA_GOLDENS of the environment, or tests/goldens.
std::string goldens_folder();

class Golden {
 public:
  explicit Golden(const std::string& name);
  const std::string& name() const { return name_; }
  const std::string& text(const std::string& key) const;  // of the metadata
  std::int64_t number(const std::string& key) const;      // of the metadata
  bool holds(const std::string& key) const { return values_.contains(key); }
  const std::vector<double>& at(const std::string& key) const;

  // How far `values` may be from the golden: twice PyTorch float32's own error, or 1e-6.
  double tolerance(const std::string& key) const;
  // Empty, or a sentence saying how far `values` are from the golden at `key`: relative L2 error,
  // of the whole tensor or of its sketch.
  std::string compare(const std::string& key, const std::vector<float>& values) const;

 private:
  std::string name_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, std::vector<double>> values_;
};

// The network of a golden with its weights, and the batch.
struct GoldenNet {
  GoldenNet(Context& ctx, const Golden& golden);
  Model model;
  Tensor x, labels;
};

}  // namespace lamella::golden
