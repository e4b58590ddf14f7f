// What the builders of models/ share: shorthand for convolutions, chains of them and pools.
// Private to models/.
#pragma once

#include "layers/concat.h"
#include "layers/conv_norm.h"
#include "models/networks.h"

namespace lamella::networks {

// One convolution + batch norm + ReLU of a chain. Padding is half the filter ("same"), or none.
struct Unit {
  std::string name;
  std::int64_t out, size_h, size_w;
  std::int64_t stride = 1;
  bool padded = true;
};

inline Pool2dOptions window(std::int64_t size, std::int64_t stride, std::int64_t pad = 0,
                            bool ceil_mode = false) {
  Pool2dOptions options;
  options.size_h = options.size_w = size;
  options.stride_h = options.stride_w = stride;
  options.pad_h = options.pad_w = pad;
  options.ceil_mode = ceil_mode;
  return options;
}

inline Conv2dSpec spec_of(std::int64_t in, const Unit& unit) {
  Conv2dSpec spec;
  spec.in = in;
  spec.out = unit.out;
  spec.size_h = unit.size_h;
  spec.size_w = unit.size_w;
  spec.options.stride_h = spec.options.stride_w = unit.stride;
  if (unit.padded) spec.options.pad_h = unit.size_h / 2, spec.options.pad_w = unit.size_w / 2;
  return spec;
}

// Of all Inception networks.
inline constexpr BatchNormOptions kInceptionNorm{.eps = 1e-3F};

// The units in a row, each with its own name.
inline ModulePtr chain(Context& ctx, std::int64_t in, const std::vector<Unit>& units) {
  Sequential::Children children;
  for (const Unit& unit : units) {
    children.emplace_back(unit.name,
                          std::make_unique<ConvNorm>(ctx, spec_of(in, unit), kInceptionNorm));
    in = unit.out;
  }
  return std::make_unique<Sequential>(std::move(children));
}

// `first`, then `second`, whose names are kept.
inline ModulePtr after(ModulePtr first, ModulePtr second) {
  Sequential::Children children;
  children.emplace_back("", std::move(first));
  children.emplace_back("", std::move(second));
  return std::make_unique<Sequential>(std::move(children));
}

// Average pool 3x3, then the unit. The pool commutes with the 1x1 convolution, which makes fewer
// channels than it reads: so the convolution comes first, then the pool, then batch norm.
inline ModulePtr pool_branch(Context& ctx, std::int64_t in, const Unit& unit, bool include_pad) {
  Conv2dSpec spec = spec_of(in, unit);
  spec.bias = false;
  Pool2dOptions pool = window(3, 1, 1);
  pool.count_include_pad = include_pad;
  BatchNormOptions bn = kInceptionNorm;
  bn.relu_out = true;
  Sequential::Children children;
  children.emplace_back(unit.name + ".conv", std::make_unique<Conv2d>(ctx, spec));
  children.emplace_back("", avg_pool(pool));
  children.emplace_back(unit.name + ".bn", std::make_unique<BatchNorm2d>(ctx, unit.out, bn));
  return std::make_unique<Sequential>(std::move(children));
}

template <class... Branches>
ModulePtr side_by_side(Branches... branches) {
  Concat::Branches all;
  (all.emplace_back("", std::move(branches)), ...);
  return std::make_unique<Concat>(std::move(all));
}

}  // namespace lamella::networks
