// A model over a whole data set, without gradients.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "models/model.h"
#include "train/batch_source.h"
#include "train/metrics.h"

namespace lamella {

struct Prediction {
  std::int64_t index = 0;  // of the image in the data set
  std::int32_t label = 0;  // the truth, as the source gave it
  std::vector<float> probabilities;
};

struct Evaluation {
  std::vector<Prediction> predictions;
  double loss = 0;  // mean cross-entropy over the images
  Confusion confusion;
};

// Runs one epoch of `source` in inference mode. `stop` is asked after each batch; when it says yes
// the evaluation of the images so far is returned. Throws Error when a batch does not fit the
// model or a label is none of its classes.
Evaluation evaluate(Context& ctx, const Model& model, BatchSource& source,
                    const std::function<bool()>& stop = {});

// The class of highest probability or score; the first of equals.
std::int64_t top_class(std::span<const float> probabilities);

// Mean cross-entropy; finite, also where a probability is no number. 0 where there is none.
double loss_of(std::span<const Prediction> predictions);
// The highest probability; 0 where that is no number, as of a network that diverged.
double confidence_of(const Prediction& prediction);
// Whether the class of highest probability is the true one.
bool is_right(const Prediction& prediction);

// Batch pixels as the model's input on the device. Throws Error naming both sizes where H, W or C
// is not what the model was built for.
Tensor input_of(Context& ctx, const Model& model, const Batch& batch);

}  // namespace lamella
