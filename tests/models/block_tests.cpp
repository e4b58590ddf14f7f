// Blocks alone: the dense block against its plain form, with statistics made once for each channel;
// and dense, Inception and fire blocks through the hand-written CUDA kernels, run by the emulator.
#include <gtest/gtest.h>

#include <map>

#include "layers/dense_block.h"
#include "models/parts.h"
#include "tests/models/golden_values.h"

namespace lamella {
namespace {

using Build = std::function<ModulePtr(Context&)>;
using Values = std::map<std::string, std::vector<float>>;

// What a block makes of an image: y, the gradients of <y, dy> by x and by every parameter, and the
// running statistics.
Values run(Context& ctx, const Module& block, const Shape& x_shape) {
  Values result;
  std::vector<Parameter> parameters;
  block.collect("block", parameters);
  for (const Parameter& parameter : parameters) {
    parameter.assign(ctx, golden::parameter_values("block_tests", parameter));
  }
  Tensor x =
      ctx.from_host(golden::values("block_tests/x", x_shape.count(), -1, 1), x_shape, ctx.dtype);
  x.require_grad();
  const GradScope gradients(ctx, true);
  ctx.training = true;
  const Tensor y = block.forward(ctx, x);
  EXPECT_EQ(y.shape(), block.output_shape(x_shape));
  result["y"] = ctx.to_host(y);
  const std::vector<float> dy = golden::values("block_tests/dy", y.count(), -1, 1);
  ctx.tape.backward(ctx, y, ctx.from_host(dy, y.shape(), ctx.dtype));
  result["dx"] = ctx.to_host(x.grad());
  for (const Parameter& parameter : parameters) {
    result[parameter.name] =
        ctx.to_host(parameter.trained() ? parameter.tensor.grad() : parameter.tensor);
  }
  return result;
}

void expect_equal(const Values& actual, const Values& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, values] : expected) {
    ASSERT_EQ(actual.at(name).size(), values.size()) << name;
    EXPECT_LE(golden::relative_error(actual.at(name), values), 1e-5) << name;
  }
}

// The dense block as the paper writes it: every layer normalises the joined outputs of all before
// it, with statistics of its own.
class PlainDenseBlock : public Module {
 public:
  PlainDenseBlock(Context& ctx, const DenseBlockSpec& spec) : spec_(spec), block_(ctx, spec) {
    block_.collect("", parameters_);
  }
  Tensor forward(Context& ctx, const Tensor& x, Tensor = {}) const override {
    std::vector<Tensor> parts = {x};
    std::size_t next = 0;
    for (std::int64_t i = 0; i < spec_.layers; ++i) {
      Tensor value = norm_conv(ctx, concat(ctx, parts), 0, next);
      if (spec_.bottleneck != 0) value = norm_conv(ctx, value, 1, next);
      parts.push_back(value);
    }
    return concat(ctx, parts);
  }
  Shape output_shape(const Shape& x) const override { return block_.output_shape(x); }
  ModulePtr inference_form(Context&, const Shape&) const override { return nullptr; }  // not asked
  void collect(const std::string& prefix, std::vector<Parameter>& into) const override {
    block_.collect(prefix, into);
  }

 private:
  Tensor norm_conv(Context& ctx, const Tensor& x, std::int64_t pad, std::size_t& next) const {
    const auto tensor = [&]() { return parameters_[next++].tensor; };
    BatchNormTensors bn;
    bn.gamma = tensor(), bn.beta = tensor();
    bn.running_mean = tensor(), bn.running_var = tensor();
    const Tensor w = tensor();
    if (spec_.bottleneck == 0) pad = 1;
    return conv2d(ctx, relu(ctx, batch_norm(ctx, x, bn)), w, {}, {1, 1, pad, pad});
  }

  DenseBlockSpec spec_;
  DenseBlock block_;  // for its parameters
  std::vector<Parameter> parameters_;
};

TEST(DenseBlockForm, is_the_plain_one_with_and_without_bottleneck) {
  for (const std::int64_t bottleneck : {4, 0}) {
    const DenseBlockSpec spec{6, 3, 4, bottleneck};
    Context first, second;
    const Shape x{3, 5, 7, 6};
    expect_equal(run(first, DenseBlock(first, spec), x),
                 run(second, PlainDenseBlock(second, spec), x));
  }
}

// The transition reads the block's statistics too. So of every channel of the buffer they are made
// once, when it is written, and of the hidden channels once, when they are normalised.
TEST(DenseBlockForm, makes_the_statistics_of_a_channel_once) {
  std::vector<std::string> lines;
  Context::Options options;
  options.trace_ops = true;
  options.trace = [&](const std::string& line) { lines.push_back(line); };
  Context ctx(options);
  Sequential::Children children;
  children.emplace_back("block", std::make_unique<DenseBlock>(ctx, DenseBlockSpec{6, 3, 4, 2}));
  children.emplace_back("transition", networks::transition(ctx, 18, 9));
  run(ctx, Sequential(std::move(children)), {2, 6, 6, 6});
  std::map<std::string, int> calls;
  for (const std::string& line : lines) ++calls[line.substr(0, line.find(" x_pitch"))];
  EXPECT_EQ(calls["batch_norm_copy_stats pixels=72 C=6"], 1);
  EXPECT_EQ(calls["batch_norm_copy_stats pixels=72 C=4"], 3);
  EXPECT_EQ(calls["batch_norm_stats pixels=72 C=8"], 3);
  EXPECT_EQ(calls["batch_norm_bwd_shared pixels=72 C=18"], 1);  // the transition's
  EXPECT_EQ(calls["batch_norm_bwd_shared pixels=72 C=14"], 1);
  EXPECT_EQ(calls["batch_norm_bwd_reduce pixels=72 C=8"], 3);
  EXPECT_EQ(calls["batch_norm_stats_bwd pixels=72 C=4"], 3);
  int statistics = 0, passes = 0;
  for (const auto& [call, count] : calls) {
    if (call.starts_with("batch_norm_stats ") || call.starts_with("batch_norm_copy_stats ")) {
      statistics += count;
    }
    if (call.starts_with("batch_norm_bwd_reduce ")) passes += count;
  }
  EXPECT_EQ(statistics, 7);
  EXPECT_EQ(passes, 3);
}

// Whoever writes a slice anew takes its statistics away; then batch norm makes its own.
TEST(DenseBlockForm, statistics_of_what_a_slice_held_before_are_not_used) {
  Context ctx;
  ctx.training = true;
  const auto values = [&](const char* name) {
    return ctx.from_host(golden::values(name, 24, -1, 1), {2, 2, 2, 3});
  };
  Tensor buffer = ctx.empty({2, 2, 2, 3});
  share_statistics(ctx, buffer);
  copy_into(ctx, values("before"), buffer.slice(0, 3));
  relu(ctx, values("after"), buffer.slice(0, 3));
  const auto vector = [&](float value) { return ctx.from_host(std::vector<float>(3, value), {3}); };
  const auto normed = [&](const Tensor& x) {
    return ctx.to_host(batch_norm(ctx, x, {vector(1), vector(0), vector(0), vector(1)}));
  };
  EXPECT_EQ(normed(buffer), normed(relu(ctx, values("after"))));
}

// In inference nothing of it is made, and the running statistics count.
TEST(DenseBlockForm, of_inference_is_the_plain_one) {
  const DenseBlockSpec spec{6, 3, 4, 4};
  const auto outputs = [&]<class Block>(std::type_identity<Block>) {
    Context ctx;
    const Block block(ctx, spec);
    std::vector<Parameter> parameters;
    block.collect("block", parameters);
    for (const Parameter& parameter : parameters) {
      ctx.copy_from_host(golden::parameter_values("block_tests", parameter), parameter.tensor);
    }
    const Shape x{3, 5, 7, 6};
    return ctx.to_host(
        block.forward(ctx, ctx.from_host(golden::values("block_tests/x", x.count(), -1, 1), x)));
  };
  EXPECT_LE(golden::relative_error(outputs(std::type_identity<DenseBlock>()),
                                   outputs(std::type_identity<PlainDenseBlock>())),
            1e-6);
}

struct Block {
  const char* name;
  Shape x;
  Build build;
};

void PrintTo(const Block& block, std::ostream* out) {
  *out << block.name;
}

ModulePtr two_dense_blocks(Context& ctx) {
  Sequential::Children children;
  children.emplace_back("denseblock1", std::make_unique<DenseBlock>(ctx, DenseBlockSpec{8, 3, 8}));
  children.emplace_back("transition1", networks::transition(ctx, 32, 16));
  children.emplace_back("denseblock2", std::make_unique<DenseBlock>(ctx, DenseBlockSpec{16, 2, 8}));
  return std::make_unique<Sequential>(std::move(children));
}

const Block kBlocks[] = {
    {"two_dense_blocks", {2, 6, 5, 8}, two_dense_blocks},
    {"fire", {2, 5, 5, 16}, [](Context& ctx) { return networks::fire(ctx, 16, 8, 16); }},
    {"googlenet",
     {2, 5, 5, 16},
     [](Context& ctx) {
       return networks::googlenet_block(ctx, 16, {"", 16, 8, 24, 8, 16, 8});
     }},
    {"inception_a",
     {2, 5, 5, 24},
     [](Context& ctx) {
       return networks::InceptionV3Blocks{ctx, true}.a(24, 32);
     }},
    {"inception_a_pool_inside",
     {2, 5, 5, 24},
     [](Context& ctx) {
       return networks::InceptionV3Blocks{ctx, false}.a(24, 32);
     }},
    {"inception_b",
     {2, 5, 5, 24},
     [](Context& ctx) {
       return networks::InceptionV3Blocks{ctx, true}.b(24);
     }},
    {"inception_c",
     {2, 4, 4, 24},
     [](Context& ctx) {
       return networks::InceptionV3Blocks{ctx, true}.c(24, 32);
     }},
    {"inception_d",
     {2, 5, 5, 24},
     [](Context& ctx) {
       return networks::InceptionV3Blocks{ctx, true}.d(24);
     }},
    {"inception_e",
     {2, 3, 3, 24},
     [](Context& ctx) {
       return networks::InceptionV3Blocks{ctx, true}.e(24);
     }},
};

class SimtBlock : public testing::TestWithParam<Block> {};

TEST_P(SimtBlock, has_the_gradients_of_the_cpu) {
  const std::string reason = why_unavailable("simt");
  if (!reason.empty()) GTEST_SKIP() << reason;
  Context::Options options;
  options.device = "simt";
  options.poison = true;
  Context cpu, simt(options);
  const Block& block = GetParam();
  expect_equal(run(simt, *block.build(simt), block.x), run(cpu, *block.build(cpu), block.x));
}

// Outputs differ by roundings. Gradients of these few pixels do so more: they are small sums of
// large terms, and a rounding can choose another maximum.
TEST_P(SimtBlock, computes_in_16_bits_what_it_computes_in_f32) {
  const std::string reason = why_unavailable("simt");
  if (!reason.empty()) GTEST_SKIP() << reason;
  const Block& block = GetParam();
  Context cpu;
  const Values expected = run(cpu, *block.build(cpu), block.x);
  struct Case {
    DType dtype;
    double of_output, of_gradients;
  };
  for (const auto& [dtype, of_output, of_gradients] :
       {Case{DType::BF16, 2e-2, 0.35}, {DType::F16, 3e-3, 0.15}}) {
    Context::Options options;
    options.device = "simt";
    options.dtype = dtype;
    Context simt(options);
    const Values actual = run(simt, *block.build(simt), block.x);
    for (const auto& [name, values] : expected) {
      EXPECT_LE(golden::relative_error(actual.at(name), values),
                name == "y" ? of_output : of_gradients)
          << name << " in " << name_of(dtype);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Blocks, SimtBlock, testing::ValuesIn(kBlocks),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace lamella
