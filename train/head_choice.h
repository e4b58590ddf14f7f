// Which strength of regularisation a head gets: the one that does best in cross-validation.
#pragma once

#include <functional>

#include "train/head.h"
#include "train/metrics.h"
#include "train/standardiser.h"

namespace lamella {

// A head with what its features go through first.
struct StandardisedHead {
  Standardiser standardiser;
  std::unique_ptr<Head> head;
  // Scores of raw features, [N,classes].
  std::vector<float> scores(Context& ctx, std::vector<float> x) const;
};

// Of raw features. Standardises them, then train_heads() with one strength.
StandardisedHead train_head(Context& ctx, const LabelledFeatures& features,
                            const HeadOptions& options, double l2);

// How one strength did on the samples that its heads did not see.
struct StrengthScore {
  double l2 = 0;
  Confusion confusion;  // over all folds: each sample once
  Metrics metrics;
  int unconverged = 0;  // heads whose solver stopped before its tolerance
};

struct HeadChoice {
  std::vector<StrengthScore> strengths;  // strongest first
  double l2 = 0;  // of the best balanced accuracy; of equals, of the best accuracy, the strongest
};

// `fold` says for each sample in which fold it is held out (folds.h). In each fold, features are
// standardised by the samples that train. `stop` is asked after each fold: yes is an Error.
HeadChoice choose_l2(Context& ctx, const LabelledFeatures& features, const std::vector<int>& fold,
                     const HeadOptions& options, std::vector<double> l2,
                     const std::function<bool()>& stop = {});

}  // namespace lamella
