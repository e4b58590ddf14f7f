#include "train/head.h"

#include <cmath>

#include "engine/errors.h"
#include "train/linear_head.h"
#include "train/mlp_head.h"

namespace lamella {

LabelledFeatures LabelledFeatures::rows(const std::vector<std::size_t>& which) const {
  LabelledFeatures part{width, classes, {}, {}};
  part.x.reserve(which.size() * static_cast<std::size_t>(width));
  for (const std::size_t row : which) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(row) * width;
    part.x.insert(part.x.end(), begin, begin + width);
    part.labels.push_back(labels[row]);
  }
  return part;
}

HeadKind head_kind(const std::string& name) {
  if (name == "softmax") return HeadKind::Softmax;
  if (name == "svm") return HeadKind::Svm;
  if (name == "mlp") return HeadKind::Mlp;
  fail("there is no head '", name, "'; use softmax, svm or mlp");
}

std::vector<std::unique_ptr<Head>> train_heads(Context& ctx, const LabelledFeatures& features,
                                               const HeadOptions& options,
                                               const std::vector<double>& l2) {
  if (features.count() == 0) fail("head: there is no sample to train on");
  for (const std::int32_t label : features.labels) {
    if (label < 0 || label >= features.classes) {
      fail("head: label ", label, " of ", features.classes, " classes");
    }
  }
  for (const double strength : l2) {
    if (!(strength >= 0) || !std::isfinite(strength))
      fail("head: l2 = ", strength, "; use 0 or more");
  }
  return options.kind == HeadKind::Mlp ? train_mlp_heads(ctx, features, options, l2)
                                       : train_linear_heads(ctx, features, options, l2);
}

}  // namespace lamella
