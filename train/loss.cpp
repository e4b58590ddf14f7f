#include "train/loss.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/errors.h"
#include "engine/rng.h"

namespace lamella {
namespace {

// Jöhnk 1964: of u^(1/a) and v^(1/a), where their sum is at most 1, the share of the first.
double beta_of(double alpha, Rng rng) {
  for (;;) {
    const double u = std::pow(rng.uniform(), 1 / alpha), v = std::pow(rng.uniform(), 1 / alpha);
    if (u + v > 0 && u + v <= 1) return u / (u + v);
  }
}

}  // namespace

void check(const LossOptions& options, std::int64_t classes) {
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1)) {
    fail("label smoothing = ", options.label_smoothing, "; use 0 to 1");
  }
  if (!(options.mixup == 0 || (options.mixup >= 0.01 && options.mixup <= 8))) {
    fail("mixup = ", options.mixup, "; use 0.01 to 8, or 0 to mix nothing");
  }
  const std::vector<float>& weights = options.class_weights;
  if (weights.empty()) return;
  if (std::ssize(weights) != classes) {
    fail(weights.size(), " class weights for ", classes, " classes; give one for each");
  }
  for (const float weight : weights) {
    if (!(weight >= 0) || std::isinf(weight)) {
      fail("a class weight is ", weight, "; use 0 or more");
    }
  }
}

std::vector<float> balancing_weights(const std::vector<std::int64_t>& images_of_class,
                                     double power) {
  const auto classes = static_cast<double>(
      std::count_if(images_of_class.begin(), images_of_class.end(), [](auto n) { return n > 0; }));
  const auto images = static_cast<double>(
      std::accumulate(images_of_class.begin(), images_of_class.end(), std::int64_t{0}));
  std::vector<float> weights;
  for (const std::int64_t count : images_of_class) {
    const double even = count > 0 ? images / (classes * static_cast<double>(count)) : 1;
    weights.push_back(static_cast<float>(std::pow(even, power)));
  }
  return weights;
}

MixedBatch mix_batch(const Batch& batch, std::int64_t classes, double alpha, std::uint64_t seed,
                     std::uint32_t step) {
  const auto others = permutation(batch.N, Rng(seed, RngStream::Mixup, step));
  const double share = beta_of(alpha, Rng(seed + 1, RngStream::Mixup, step));
  const auto own = static_cast<float>(share), other = static_cast<float>(1 - share);
  const auto of_image = static_cast<std::size_t>(batch.H * batch.W * batch.C);
  const auto C = static_cast<std::size_t>(classes);
  MixedBatch mixed{batch, std::vector<float>(static_cast<std::size_t>(batch.N) * C)};
  for (std::size_t i = 0; i < others.size(); ++i) {
    const auto j = static_cast<std::size_t>(others[i]);
    for (std::size_t k = 0; k < of_image; ++k) {
      mixed.batch.pixels[i * of_image + k] =
          own * batch.pixels[i * of_image + k] + other * batch.pixels[j * of_image + k];
    }
    for (const auto& [image, part] : {std::pair{i, own}, std::pair{j, other}}) {
      const std::int32_t label = batch.labels[image];
      if (label < 0 || label >= classes) {
        fail("mixup: label ", label, " is none of ", classes, " classes");
      }
      mixed.targets[i * C + static_cast<std::size_t>(label)] += part;
    }
  }
  return mixed;
}

Tensor data_loss(Context& ctx, const std::vector<Model::Output>& outputs, const Tensor& targets,
                 const LossOptions& options) {
  CrossEntropyOptions entropy;
  entropy.label_smoothing = options.label_smoothing;
  if (!options.class_weights.empty()) {
    entropy.class_weights =
        ctx.from_host(options.class_weights, {std::ssize(options.class_weights)});
  }
  Tensor sum;
  for (const Model::Output& output : outputs) {
    Tensor loss = softmax_cross_entropy(ctx, output.logits, targets, entropy);
    if (output.weight != 1) loss = scale(ctx, loss, output.weight);
    sum = sum.defined() ? add(ctx, sum, loss) : loss;
  }
  return sum;
}

}  // namespace lamella
