// Every op refuses wrong arguments with a sentence that names the op and both values, and leaves
// the context usable.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/ops.h"

namespace lamella {
namespace {

class Refusals : public testing::Test {
 protected:
  // Runs `call`, which must throw an Error whose text has every one of `words`.
  template <class Call>
  void expect_refusal(Call call, const std::vector<std::string>& words) {
    try {
      call();
      ADD_FAILURE() << "nothing was refused; expected a sentence about " << words.at(0);
    } catch (const Error& error) {
      const std::string sentence = error.what();
      for (const std::string& word : words) {
        EXPECT_NE(sentence.find(word), std::string::npos)
            << "\"" << sentence << "\" does not say \"" << word << "\"";
      }
    }
    EXPECT_EQ(ctx.tape.size(), 0U);
  }

  Tensor zeros(const Shape& shape) { return ctx.zeros(shape); }

  Context ctx;
};

TEST_F(Refusals, Conv2d) {
  const Tensor x = zeros({1, 5, 6, 3}), w = zeros({7, 3, 3, 3});
  expect_refusal([&] { conv2d(ctx, Tensor(), w); }, {"conv2d", "x"});
  expect_refusal([&] { conv2d(ctx, zeros({5, 3}), w); }, {"conv2d", "x", "2", "4"});
  expect_refusal([&] { conv2d(ctx, x, zeros({7, 3, 3, 4})); }, {"conv2d", "4", "3"});
  expect_refusal(
      [&] {
        conv2d(ctx, x, ctx.zeros({7, 3, 3, 3}, DType::I32));
      },
      {"conv2d", "i32", "f32"});
  expect_refusal([&] { conv2d(ctx, x, w, zeros({6})); }, {"conv2d", "bias", "6", "7"});
  expect_refusal([&] { conv2d(ctx, x, w, {}, {0, 1, 0, 0}); }, {"conv2d", "stride", "0x1"});
  expect_refusal([&] { conv2d(ctx, x, w, {}, {1, 1, 0, -1}); }, {"conv2d", "pad", "0x-1"});
  expect_refusal([&] { conv2d(ctx, x, zeros({7, 6, 3, 3})); }, {"conv2d", "6x3", "5x6"});
  expect_refusal(
      [&] {
        conv2d(ctx, x, w, {}, {}, zeros({1, 5, 6, 7}));
      },
      {"conv2d", "out", "1x5x6x7", "1x3x4x7"});
  const Tensor wide = zeros({7, 3, 3, 6});
  expect_refusal([&] { conv2d(ctx, x, wide.slice(0, 3)); }, {"conv2d", "w", "slice"});
}

TEST_F(Refusals, Linear) {
  const Tensor x = zeros({2, 5}), w = zeros({3, 5});
  expect_refusal([&] { linear(ctx, zeros({1, 1, 2, 5}), w); }, {"linear", "x", "4", "2"});
  expect_refusal([&] { linear(ctx, x, zeros({3, 4})); }, {"linear", "4", "5"});
  expect_refusal([&] { linear(ctx, x, w, zeros({5})); }, {"linear", "bias", "5", "3"});
  expect_refusal([&] { linear(ctx, x, ctx.zeros({3, 5}, DType::I32)); }, {"linear", "i32", "f32"});
  expect_refusal([&] { linear(ctx, x, w, {}, zeros({2, 4})); }, {"linear", "out", "2x4", "2x3"});
}

TEST_F(Refusals, BatchNorm) {
  const Tensor x = zeros({1, 2, 2, 3}), three = zeros({3}), four = zeros({4});
  expect_refusal(
      [&] {
        batch_norm(ctx, x, {four, three, three, three});
      },
      {"batch_norm", "gamma", "4", "3"});
  expect_refusal(
      [&] {
        batch_norm(ctx, x, {three, four, three, three});
      },
      {"batch_norm", "beta", "4", "3"});
  expect_refusal(
      [&] {
        batch_norm(ctx, x, {three, three, four, three});
      },
      {"batch_norm", "running_mean", "4", "3"});
  expect_refusal(
      [&] {
        batch_norm(ctx, x, {three, three, three, Tensor()});
      },
      {"batch_norm", "running_var"});
  BatchNormOptions options;
  options.eps = 0;
  expect_refusal(
      [&] {
        batch_norm(ctx, x, {three, three, three, three}, options);
      },
      {"batch_norm", "eps", "0"});
  expect_refusal(
      [&] {
        batch_norm(ctx, x, {three, three, three, three}, {}, zeros({1, 2, 2, 4}));
      },
      {"batch_norm", "out", "1x2x2x4", "1x2x2x3"});
  ctx.training = true;
  expect_refusal(
      [&] {
        batch_norm(ctx, zeros({1, 1, 1, 3}), {three, three, three, three});
      },
      {"batch_norm", "2", "1"});
}

TEST_F(Refusals, Pooling) {
  const Tensor x = zeros({1, 5, 6, 3});
  const auto both = [&](const Tensor& input, const Pool2dOptions& options, const Tensor& out,
                        std::vector<std::string> words) {
    words.insert(words.begin(), "max_pool2d");
    expect_refusal([&] { max_pool2d(ctx, input, options, out); }, words);
    words[0] = "avg_pool2d";
    expect_refusal([&] { avg_pool2d(ctx, input, options, out); }, words);
  };
  both(zeros({5, 3}), {}, {}, {"x", "2", "4"});
  both(x, {7, 2, 1, 1, 0, 0}, {}, {"7", "5"});
  both(x, {2, 2, 0, 1, 0, 0}, {}, {"stride", "0"});
  both(x, {2, 2, 1, 1, 2, 0}, {}, {"pad 2", "window 2"});
  both(x, {2, 0, 1, 1, 0, 0}, {}, {"window 0"});
  both(x, {}, zeros({1, 2, 3, 4}), {"out", "1x2x3x4", "1x2x3x3"});
  expect_refusal(
      [&] {
        max_pool2d(ctx, zeros({1, 20, 20, 1}), {16, 16, 1, 1, 0, 0});
      },
      {"max_pool2d", "16x16", "255"});
  const char* adaptive = "adaptive_avg_pool2d";
  expect_refusal([&] { adaptive_avg_pool2d(ctx, zeros({5, 3}), 1, 1); }, {adaptive, "2", "4"});
  expect_refusal([&] { adaptive_avg_pool2d(ctx, x, 0, 2); }, {adaptive, "0x2"});
  expect_refusal(
      [&] {
        adaptive_avg_pool2d(ctx, zeros({1, 0, 2, 3}), 4, 4);
      },
      {adaptive, "1x0x2x3"});
  expect_refusal([&] { global_avg_pool(ctx, zeros({5, 3})); }, {"global_avg_pool", "2", "4"});
  expect_refusal(
      [&] {
        global_avg_pool(ctx, zeros({1, 0, 2, 3}));
      },
      {"global_avg_pool", "1x0x2x3"});
  expect_refusal(
      [&] {
        global_avg_pool(ctx, x, zeros({1, 4}));
      },
      {"global_avg_pool", "out", "1x4", "1x3"});
}

TEST_F(Refusals, Pointwise) {
  const Tensor x = zeros({1, 2, 2, 3});
  expect_refusal([&] { relu(ctx, Tensor()); }, {"relu", "x"});
  expect_refusal([&] { relu(ctx, x, zeros({1, 2, 2, 4})); }, {"relu", "out", "1x2x2x4", "1x2x2x3"});
  expect_refusal([&] { add(ctx, x, zeros({1, 2, 2, 4})); }, {"add", "1x2x2x3", "1x2x2x4"});
  expect_refusal([&] { add(ctx, x, ctx.zeros({1, 2, 2, 3}, DType::I32)); }, {"add", "i32", "f32"});
  expect_refusal([&] { mul(ctx, x, zeros({1, 2, 2, 4})); }, {"mul", "1x2x2x3", "1x2x2x4"});
  expect_refusal(
      [&] {
        mul(ctx, x, ctx.zeros({1, 2, 2, 3}, DType::BF16));
      },
      {"mul", "bf16", "f32"});
  expect_refusal([&] { scale(ctx, Tensor(), 2.0F); }, {"scale", "x"});
  expect_refusal([&] { add_bias(ctx, x, zeros({4})); }, {"add_bias", "bias", "4", "3"});
  expect_refusal([&] { cast(ctx, x, DType::U8); }, {"cast", "f32", "u8"});
  expect_refusal(
      [&] {
        cast(ctx, x, DType::BF16, zeros({1, 2, 2, 3}));
      },
      {"cast", "out", "f32", "bf16"});
  expect_refusal([&] { copy_into(ctx, x, Tensor()); }, {"copy_into", "out"});
  expect_refusal(
      [&] {
        copy_into(ctx, x, zeros({1, 2, 3, 3}));
      },
      {"copy_into", "1x2x3x3", "1x2x2x3"});
  expect_refusal([&] { concat(ctx, {}); }, {"concat", "part"});
  expect_refusal([&] { concat(ctx, {x, zeros({1, 2, 3, 3})}); }, {"concat", "1x2x2x3", "1x2x3x3"});
  expect_refusal([&] { flatten(zeros({4, 3})); }, {"flatten", "2", "4"});
  expect_refusal([&] { dropout(ctx, x, 1.0F, 0); }, {"dropout", "p", "1", "[0, 1)"});
  expect_refusal([&] { dropout(ctx, x, -0.5F, 0); }, {"dropout", "p", "-0.5"});
}

TEST_F(Refusals, Loss) {
  const Tensor logits = zeros({4, 3});
  expect_refusal([&] { softmax(ctx, zeros({1, 2, 2, 3})); }, {"softmax", "4", "2"});
  expect_refusal([&] { softmax_cross_entropy(ctx, logits, ctx.zeros({5}, DType::I32)); },
                 {"softmax_cross_entropy", "5", "4"});
  expect_refusal([&] { softmax_cross_entropy(ctx, logits, zeros({4})); },
                 {"softmax_cross_entropy", "labels", "f32", "i32"});
  const Tensor labels = ctx.zeros({4}, DType::I32);
  expect_refusal(
      [&] {
        softmax_cross_entropy(ctx, logits, labels, {zeros({4}), 0});
      },
      {"softmax_cross_entropy", "class_weights", "4", "3"});
  expect_refusal(
      [&] {
        softmax_cross_entropy(ctx, logits, labels, {Tensor(), 1.5F});
      },
      {"softmax_cross_entropy", "label_smoothing", "1.5", "[0, 1]"});
  expect_refusal(
      [&] {
        softmax_cross_entropy(ctx, zeros({0, 3}), ctx.zeros({0}, DType::I32));
      },
      {"softmax_cross_entropy", "0x3"});
  expect_refusal([&] { l2_penalty(ctx, {}, 0.1F); }, {"l2_penalty"});
  const Tensor wide = zeros({4, 6});
  expect_refusal([&] { l2_penalty(ctx, {wide.slice(0, 3)}, 0.1F); }, {"l2_penalty", "slice"});
}

TEST_F(Refusals, ImageScaleAndNormalise) {
  expect_refusal([&] { image_scale(ctx, {0.5F, 0.5F}, {1}); }, {"image_scale", "2 means", "1 st"});
  expect_refusal([&] { image_scale(ctx, {}, {}); }, {"image_scale", "0 means"});
  expect_refusal([&] { image_scale(ctx, {0, 0}, {1, 0}); }, {"image_scale", "channel 1", "above"});
  expect_refusal([&] { image_scale(ctx, {NAN}, {1}); }, {"image_scale", "channel 0", "nan"});
  const ImageScale scale = image_scale(ctx, {0, 0, 0}, {1, 1, 1});
  const Tensor x = ctx.zeros({1, 2, 2, 3}, DType::U8);
  expect_refusal(
      [&] {
        image_normalise(ctx, zeros({1, 2, 2, 3}), scale);
      },
      {"image_normalise", "x is f32", "u8"});
  expect_refusal(
      [&] {
        image_normalise(ctx, ctx.zeros({2, 3}, DType::U8), scale);
      },
      {"image_normalise", "x", "2x3", "4"});
  expect_refusal(
      [&] {
        image_normalise(ctx, ctx.zeros({1, 2, 2, 1}, DType::U8), scale);
      },
      {"image_normalise", "scale", "3", "1 channels"});
  expect_refusal(
      [&] {
        image_normalise(ctx, x, {scale.scale, zeros({1})});
      },
      {"image_normalise", "shift", "3 channels"});
  expect_refusal([&] { image_normalise(ctx, x, scale, DType::I32); },
                 {"image_normalise", "i32", "f32, bf16 or f16"});
  expect_refusal(
      [&] {
        image_normalise(ctx, x, scale, DType::F32, zeros({1, 2, 2, 4}));
      },
      {"image_normalise", "out", "1x2x2x4", "1x2x2x3"});
}

TEST_F(Refusals, ImageResample) {
  const Tensor x = zeros({2, 3, 4, 3}), matrix = zeros({2, 6});
  expect_refusal([&] { image_resample(ctx, Tensor(), matrix, 3, 4); }, {"image_resample", "x"});
  expect_refusal(
      [&] {
        image_resample(ctx, ctx.zeros({2, 3, 4, 3}, DType::U8), matrix, 3, 4);
      },
      {"image_resample", "x is u8", "image_normalise"});
  expect_refusal([&] { image_resample(ctx, x, Tensor(), 3, 4); }, {"image_resample", "matrix"});
  expect_refusal(
      [&] {
        image_resample(ctx, x, zeros({1, 6}), 3, 4);
      },
      {"image_resample", "matrix is 1x6", "2 images", "2x6"});
  expect_refusal(
      [&] {
        image_resample(ctx, x, zeros({2, 8}).slice(0, 6), 3, 4);
      },
      {"image_resample", "matrix", "not dense"});
  expect_refusal([&] { image_resample(ctx, x, matrix, 0, 4); }, {"image_resample", "0x4", "1"});
  expect_refusal([&] { image_resample(ctx, x, matrix, 3, -1); }, {"image_resample", "3x-1"});
  expect_refusal([&] { image_resample(ctx, x, matrix, 3, 4, zeros({4})); },
                 {"image_resample", "fill", "4", "3 channels"});
  expect_refusal(
      [&] {
        image_resample(ctx, x, matrix, 3, 5, Tensor(), zeros({2, 3, 4, 3}));
      },
      {"image_resample", "out", "2x3x4x3", "2x3x5x3"});
}

TEST_F(Refusals, ImageJitter) {
  const Tensor x = zeros({2, 3, 4, 3}), factors = zeros({2, 3});
  expect_refusal([&] { image_jitter(ctx, zeros({2, 3}), factors); }, {"image_jitter", "x", "4"});
  expect_refusal(
      [&] {
        image_jitter(ctx, ctx.zeros({2, 3, 4, 3}, DType::U8), factors);
      },
      {"image_jitter", "x is u8", "image_normalise"});
  expect_refusal([&] { image_jitter(ctx, x, Tensor()); }, {"image_jitter", "factors"});
  expect_refusal([&] { image_jitter(ctx, x, zeros({3})); },
                 {"image_jitter", "factors is 3", "2 images", "2x3"});
  expect_refusal(
      [&] {
        image_jitter(ctx, x, zeros({2, 4}).slice(0, 3));
      },
      {"image_jitter", "factors", "not dense"});
  expect_refusal(
      [&] {
        image_jitter(ctx, x, factors, zeros({2, 3, 4, 1}));
      },
      {"image_jitter", "out", "2x3x4x1", "2x3x4x3"});
}

TEST_F(Refusals, OutWithoutGradientWhereOneIsNeeded) {
  Tensor x = zeros({1, 2, 2, 3});
  x.require_grad();
  ctx.grad_enabled = true;
  const Tensor plain = zeros({1, 2, 2, 6});
  expect_refusal([&] { relu(ctx, x, plain.slice(0, 3)); }, {"relu", "out", "gradient"});
}

TEST_F(Refusals, AMissingKernelNamesItAndItsBackend) {
  KernelTable table = ctx.kernels();
  table.relu_fwd = nullptr;
  ctx.replace_kernels(table);
  expect_refusal([&] { relu(ctx, zeros({1, 1, 1, 1})); }, {"relu_fwd", "cpu"});
}

}  // namespace
}  // namespace lamella
