#include "train/evaluate.h"

#include <algorithm>
#include <cmath>

#include "engine/errors.h"

namespace lamella {

std::int64_t top_class(std::span<const float> probabilities) {
  return std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin();
}

double loss_of(std::span<const Prediction> predictions) {
  double sum = 0;
  for (const Prediction& prediction : predictions) {
    const double p = prediction.probabilities[static_cast<std::size_t>(prediction.label)];
    sum -= std::log(p > 1e-38 ? p : 1e-38);
  }
  return predictions.empty() ? 0 : sum / static_cast<double>(predictions.size());
}

double confidence_of(const Prediction& prediction) {
  const std::vector<float>& p = prediction.probabilities;
  const double highest = p[static_cast<std::size_t>(top_class(p))];
  return std::isnan(highest) ? 0.0 : highest;
}

bool is_right(const Prediction& prediction) {
  return top_class(prediction.probabilities) == prediction.label;
}

Tensor input_of(Context& ctx, const Model& model, const Batch& batch) {
  const ModelSpec& spec = model.spec();
  if (batch.H != spec.height || batch.W != spec.width || batch.C != spec.channels) {
    fail("the images are ", batch.H, "x", batch.W, "x", batch.C, ", ", spec.name, " was built for ",
         spec.height, "x", spec.width, "x", spec.channels);
  }
  return ctx.from_host(batch.pixels, {batch.N, batch.H, batch.W, batch.C});
}

Evaluation evaluate(Context& ctx, const Model& model, BatchSource& source,
                    const std::function<bool()>& stop) {
  const GradScope no_gradients(ctx, false);
  ctx.training = false;
  const std::int64_t classes = model.spec().classes;
  Evaluation result;
  result.confusion = Confusion(classes);
  source.start(0, 0);
  Batch batch;
  while (source.next(batch)) {
    const Tensor logits = model.forward(ctx, input_of(ctx, model, batch));
    const std::vector<float> probabilities = ctx.to_host(softmax(ctx, logits));
    for (std::int64_t n = 0; n < batch.N; ++n) {
      const auto row = probabilities.begin() + n * classes;
      Prediction prediction{batch.indices[static_cast<std::size_t>(n)],
                            batch.labels[static_cast<std::size_t>(n)],
                            {row, row + classes}};
      result.confusion.add(prediction.label, top_class(prediction.probabilities));
      result.predictions.push_back(std::move(prediction));
    }
    if (stop && stop()) break;
  }
  result.loss = loss_of(result.predictions);
  return result;
}

}  // namespace lamella
