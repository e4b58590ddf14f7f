// Heads: small classifiers of feature vectors that a frozen network made (features.h). They are
// trained in a fraction of the time that training the network itself takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"

namespace lamella {

// Feature vectors with their classes.
struct LabelledFeatures {
  std::int64_t width = 0, classes = 0;
  std::vector<float> x;              // [count, width]
  std::vector<std::int32_t> labels;  // [count], each in [0, classes)

  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
  LabelledFeatures rows(const std::vector<std::size_t>& which) const;
};

enum class HeadKind {
  Softmax,  // multinomial logistic regression
  Svm,      // linear, one class versus the rest, squared hinge loss
  Mlp,      // one hidden layer
};
HeadKind head_kind(const std::string& name);  // "softmax", "svm", "mlp"; throws Error

// A trained classifier.
class Head {
 public:
  virtual ~Head() = default;
  // One score per class for each row of x [N,width]: [N,classes]. The largest one names the class;
  // but for Svm their softmax is the probabilities.
  virtual std::vector<float> scores(Context& ctx, const std::vector<float>& x) const = 0;

  // How the training ended.
  struct End {
    int steps = 0;           // iterations of the solver; updates of the MLP
    double objective = 0;    // what was minimised, at the end; of the MLP: in its last epoch
    double gradient = 0;     // its largest element there; 0 for the MLP
    bool converged = false;  // true for the MLP
  };
  const End& end() const { return end_; }

 protected:
  End end_;
};

struct HeadOptions {
  HeadKind kind = HeadKind::Softmax;
  double tolerance = 1e-5;  // of the linear heads: largest element of the gradient
  std::uint64_t seed = 0;   // of the MLP: weights, order, dropout
  std::int64_t hidden = 128, epochs = 60, batch = 32;  // of the MLP
  float dropout = 0.5F;                                // of the MLP's hidden layer
  double learning_rate = 1e-3;                         // of the MLP, at its start; then a cosine
};

// One head for each strength of L2, on standardised features: minimises
//   mean over the samples of loss(scores, label) + l2/2 * (sum of the squares of all weights),
// biases are free. Loss of Softmax and Mlp: cross-entropy. Of Svm: the sum over the classes c of
// max(0, 1 - y_c score_c)^2, y_c = 1 for the label and -1 otherwise, which is LIBLINEAR's
// L2-regularised L2-loss with cost 1/(l2 N) (Fan et al. 2008), but for the bias.
// Linear heads start where the one before in the list ended: strongest first is fastest.
// Deterministic. Throws Error for no sample, l2 < 0, a label out of range.
std::vector<std::unique_ptr<Head>> train_heads(Context& ctx, const LabelledFeatures& features,
                                               const HeadOptions& options,
                                               const std::vector<double>& l2);

}  // namespace lamella
