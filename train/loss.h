// What a training step minimises, and what it does to a batch for that.
#pragma once

#include <cstdint>
#include <vector>

#include "models/model.h"
#include "train/batch_source.h"

namespace lamella {

struct LossOptions {
  float label_smoothing = 0;         // share of each target spread over all classes, 0 to 1
  std::vector<float> class_weights;  // of each class, >= 0; empty: all 1
  // Zhang et al. 2018: every batch is mixed with itself in another order, by a share from
  // Beta(mixup, mixup); 0: it is not; at most 8.
  double mixup = 0;
};

// Throws Error where a value is out of its range or there is not one weight for each class.
void check(const LossOptions& options, std::int64_t classes);

// (images / (classes * images of the class)) ^ power: 1 gives every class the same part in the
// loss, 0 every image. Classes without images have weight 1 and do not count.
std::vector<float> balancing_weights(const std::vector<std::int64_t>& images_of_class,
                                     double power = 1);

// A batch mixed with itself: image i with image permutation(N, Rng(seed, RngStream::Mixup,
// step))[i] by a share from Rng(seed + 1, ...), and the same of their targets. Throws Error where a
// label is none of the classes.
struct MixedBatch {
  Batch batch;
  std::vector<float> targets;  // N * classes
};
MixedBatch mix_batch(const Batch& batch, std::int64_t classes, double alpha, std::uint64_t seed,
                     std::uint32_t step);

// The mean cross-entropy of all classifiers of a network, each with its weight. `targets`: labels
// [N], or probabilities [N, classes].
Tensor data_loss(Context& ctx, const std::vector<Model::Output>& outputs, const Tensor& targets,
                 const LossOptions& options = {});

}  // namespace lamella
