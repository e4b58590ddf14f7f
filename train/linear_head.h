// The two linear heads: softmax regression and the support vector machine.
#pragma once

#include "train/head.h"
#include "train/standardiser.h"

namespace lamella {

class LinearHead : public Head {
 public:
  // weight [classes,width], bias [classes].
  LinearHead(std::vector<float> weight, std::vector<float> bias, const End& end = {})
      : weight_(std::move(weight)), bias_(std::move(bias)) {
    end_ = end;
  }
  std::vector<float> scores(Context& ctx, const std::vector<float>& x) const override;
  const std::vector<float>& weight() const { return weight_; }
  const std::vector<float>& bias() const { return bias_; }

  // The head that scores raw features as this one scores standardised ones.
  LinearHead unstandardised(const Standardiser& standardiser) const;

 private:
  std::vector<float> weight_, bias_;
};

// As train_heads(), for Softmax and Svm. Products run in f32 through the engine, everything else in
// double on the host. A step costs two products of O(N width classes).
std::vector<std::unique_ptr<Head>> train_linear_heads(Context& ctx,
                                                      const LabelledFeatures& features,
                                                      const HeadOptions& options,
                                                      const std::vector<double>& l2);

}  // namespace lamella
