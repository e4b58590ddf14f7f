// The blocks that the networks are made of, for who studies or tests one alone. Private to models/
// and its tests; `in` is the number of channels a block reads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers/module.h"

namespace lamella::networks {

struct Unit;

// DenseNet: halves the image, to `out` channels.
ModulePtr transition(Context& ctx, std::int64_t in, std::int64_t out);

// SqueezeNet: `squeeze` channels read by `expand` filters of 1x1 and as many of 3x3.
ModulePtr fire(Context& ctx, std::int64_t in, std::int64_t squeeze, std::int64_t expand);

// GoogLeNet: the widths of its branches.
struct GoogLeNetBlock {
  const char* name;
  std::int64_t one, three_in, three, five_in, five, pool;
  std::int64_t out() const { return one + three + five + pool; }
};
ModulePtr googlenet_block(Context& ctx, std::int64_t in, const GoogLeNetBlock& widths);

// Inception-v3: figures 5 (a), 10 (b, d), 6 (c) and 7 (e) of its paper.
struct InceptionV3Blocks {
  Context& ctx;
  bool include_pad;  // whether averages at the border count the padding

  ModulePtr a(std::int64_t in, std::int64_t pool) const;
  ModulePtr b(std::int64_t in) const;
  ModulePtr c(std::int64_t in, std::int64_t narrow) const;
  ModulePtr d(std::int64_t in) const;
  ModulePtr e(std::int64_t in) const;

  ModulePtr branch(std::int64_t in, const std::vector<Unit>& units) const;

 private:
  ModulePtr pooled_branch(std::int64_t in, std::int64_t out) const;
  ModulePtr both(std::int64_t in, const std::string& name) const;
};

}  // namespace lamella::networks
