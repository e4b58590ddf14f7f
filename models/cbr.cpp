// CBR-Small and CBR-Tiny: four times convolution (same padding, no bias), batch norm, ReLU and
// 3x3/2 max pooling, widths 32-64-128-256; global average pool; one linear layer.
// Source: Raghu, Zhang, Kleinberg, Bengio, "Transfusion: Understanding Transfer Learning for
// Medical Imaging", NeurIPS 2019. At 3 channels and 5 classes cbr_small has 2,114,341 parameters.
// The paper's text and table disagree about the widths of CBR-Tiny; this is the table's.
#include "engine/errors.h"
#include "layers/layers.h"
#include "models/networks.h"

namespace lamella::networks {
namespace {

ModulePtr conv_bn_relu_pool(Context& ctx, std::int64_t in, std::int64_t out, std::int64_t size,
                            const std::string& number) {
  Conv2dSpec spec;
  spec.in = in;
  spec.out = out;
  spec.size_h = spec.size_w = size;
  spec.options.pad_h = spec.options.pad_w = size / 2;
  spec.bias = false;
  BatchNormOptions bn;
  bn.relu_out = true;
  Pool2dOptions pool;
  pool.size_h = pool.size_w = 3;
  pool.pad_h = pool.pad_w = 1;

  Sequential::Children children;
  children.emplace_back("conv" + number, std::make_unique<Conv2d>(ctx, spec));
  children.emplace_back("bn" + number, std::make_unique<BatchNorm2d>(ctx, out, bn));
  children.emplace_back("", max_pool(pool));
  return std::make_unique<Sequential>(std::move(children));
}

}  // namespace

Model cbr(Context& ctx, const ModelSpec& spec) {
  const std::int64_t size = spec.name == "cbr_tiny" ? 5 : 7;
  if (spec.channels < 1) fail(spec.name, ": ", spec.channels, " input channels; use at least 1");
  Model::Stages stages;
  std::int64_t in = spec.channels;
  int number = 0;
  for (const std::int64_t out : {32, 64, 128, 256}) {
    const std::string digit = std::to_string(++number);
    stages.push_back({"stage" + digit, "", conv_bn_relu_pool(ctx, in, out, size, digit)});
    in = out;
  }
  stages.push_back({"pool", "", global_pool()});
  stages.push_back({"classifier", "classifier", std::make_unique<Linear>(ctx, in, spec.classes)});
  return Model(spec, std::move(stages), Init::KaimingNormal);
}

}  // namespace lamella::networks
