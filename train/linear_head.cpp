#include "train/linear_head.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/ops.h"
#include "train/lbfgs.h"

namespace lamella {
namespace {

using Vector = std::vector<double>;

// The loss of one sample from its scores; writes its slope, d loss / d score.
using SampleLoss = double (*)(std::span<const float> scores, std::size_t label,
                              std::span<double> slope);

double cross_entropy(std::span<const float> scores, std::size_t label, std::span<double> slope) {
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (std::size_t c = 0; c < scores.size(); ++c) sum += slope[c] = std::exp(scores[c] - most);
  for (double& p : slope) p /= sum;
  slope[label] -= 1;
  return std::log(sum) + most - double{scores[label]};
}

double squared_hinge(std::span<const float> scores, std::size_t label, std::span<double> slope) {
  double loss = 0;
  for (std::size_t c = 0; c < scores.size(); ++c) {
    const double y = c == label ? 1 : -1;
    const double lacking = std::max(0.0, 1 - y * double{scores[c]});
    loss += lacking * lacking;
    slope[c] = -2 * y * lacking;
  }
  return loss;
}

// Mean loss plus penalty as a function of [classes,width] weights, then [classes] biases.
class Objective {
 public:
  Objective(Context& ctx, const LabelledFeatures& features, SampleLoss loss)
      : ctx_(ctx),
        labels_(features.labels),
        loss_(loss),
        N_(features.count()),
        K_(features.classes),
        D_(features.width),
        x_(ctx.from_host(features.x, {N_, D_})),
        weight_(ctx.empty({K_, D_})),
        bias_(ctx.empty({K_})) {
    weight_.require_grad();
    bias_.require_grad();
  }

  std::size_t size() const { return static_cast<std::size_t>(K_ * D_ + K_); }
  std::size_t weights() const { return static_cast<std::size_t>(K_ * D_); }

  double operator()(double l2, const Vector& at, Vector& gradient) {
    const GradScope gradients(ctx_, true);
    ctx_.tape.clear();
    weight_.zero_grad();
    bias_.zero_grad();
    const std::vector<float> values(at.begin(), at.end());
    ctx_.copy_from_host(std::span(values).first(weights()), weight_);
    ctx_.copy_from_host(std::span(values).subspan(weights()), bias_);
    const Tensor scores = linear(ctx_, x_, weight_, bias_);
    std::vector<float> slope;
    double value = mean_loss(ctx_.to_host(scores), slope);
    ctx_.tape.backward(ctx_, scores, ctx_.from_host(slope, {N_, K_}));
    const std::vector<float> dw = ctx_.to_host(weight_.grad()), db = ctx_.to_host(bias_.grad());
    std::copy(dw.begin(), dw.end(), gradient.begin());
    std::copy(db.begin(), db.end(), gradient.begin() + static_cast<std::ptrdiff_t>(weights()));
    for (std::size_t i = 0; i < weights(); ++i) {
      value += 0.5 * l2 * at[i] * at[i];
      gradient[i] += l2 * at[i];
    }
    return value;
  }

 private:
  double mean_loss(const std::vector<float>& scores, std::vector<float>& slope) const {
    const auto K = static_cast<std::size_t>(K_);
    Vector of_sample(K);
    double sum = 0;
    for (std::size_t n = 0; n < labels_.size(); ++n) {
      sum += loss_(std::span(scores).subspan(n * K, K), static_cast<std::size_t>(labels_[n]),
                   of_sample);
      for (const double s : of_sample)
        slope.push_back(static_cast<float>(s / static_cast<double>(N_)));
    }
    return sum / static_cast<double>(N_);
  }

  Context& ctx_;
  const std::vector<std::int32_t>& labels_;
  SampleLoss loss_;
  std::int64_t N_, K_, D_;
  Tensor x_, weight_, bias_;
};

}  // namespace

std::vector<float> LinearHead::scores(Context& ctx, const std::vector<float>& x) const {
  const GradScope no_gradients(ctx, false);
  const auto K = static_cast<std::int64_t>(bias_.size());
  const std::int64_t D = static_cast<std::int64_t>(weight_.size()) / K;
  const std::int64_t N = static_cast<std::int64_t>(x.size()) / D;
  return ctx.to_host(linear(ctx, ctx.from_host(x, {N, D}), ctx.from_host(weight_, {K, D}),
                            ctx.from_host(bias_, {K})));
}

LinearHead LinearHead::unstandardised(const Standardiser& standardiser) const {
  const std::size_t D = standardiser.mean.size();
  LinearHead raw = *this;
  for (std::size_t k = 0; k < bias_.size(); ++k) {
    double bias = bias_[k];
    for (std::size_t d = 0; d < D; ++d) {
      const double w = double{weight_[k * D + d]} * double{standardiser.scale[d]};
      bias -= w * double{standardiser.mean[d]};
      raw.weight_[k * D + d] = static_cast<float>(w);
    }
    raw.bias_[k] = static_cast<float>(bias);
  }
  return raw;
}

std::vector<std::unique_ptr<Head>> train_linear_heads(Context& ctx,
                                                      const LabelledFeatures& features,
                                                      const HeadOptions& options,
                                                      const std::vector<double>& l2) {
  Objective objective(ctx, features, options.kind == HeadKind::Svm ? squared_hinge : cross_entropy);
  LbfgsOptions solver;
  solver.tolerance = options.tolerance;
  Vector at(objective.size(), 0.0);
  std::vector<std::unique_ptr<Head>> heads;
  for (const double strength : l2) {
    const LbfgsResult found = minimise(
        [&](const Vector& x, Vector& gradient) { return objective(strength, x, gradient); }, at,
        solver);
    const std::vector<float> values(at.begin(), at.end());
    const auto split = values.begin() + static_cast<std::ptrdiff_t>(objective.weights());
    heads.push_back(std::make_unique<LinearHead>(
        std::vector<float>(values.begin(), split), std::vector<float>(split, values.end()),
        Head::End{found.iterations, found.value, found.gradient, found.converged}));
  }
  return heads;
}

}  // namespace lamella
