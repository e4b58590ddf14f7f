#include "train/head_choice.h"

#include <algorithm>
#include <tuple>

#include "engine/errors.h"
#include "train/evaluate.h"

namespace lamella {
namespace {

// Counts what `head` says of standardised features.
void count(Context& ctx, const Head& head, const LabelledFeatures& features, Confusion& into) {
  const std::vector<float> scores = head.scores(ctx, features.x);
  for (std::int64_t n = 0; n < features.count(); ++n) {
    const std::span row(scores.data() + n * features.classes,
                        static_cast<std::size_t>(features.classes));
    into.add(features.labels[static_cast<std::size_t>(n)], top_class(row));
  }
}

// Trains on all samples but those of fold `held_out`, and scores these.
void score_fold(Context& ctx, const LabelledFeatures& features, const std::vector<int>& fold,
                int held_out, const HeadOptions& options, HeadChoice& choice) {
  std::vector<std::size_t> in, out;
  for (std::size_t i = 0; i < fold.size(); ++i) (fold[i] == held_out ? out : in).push_back(i);
  LabelledFeatures train = features.rows(in), test = features.rows(out);
  const Standardiser standardiser = Standardiser::of(train.x, train.width);
  standardiser.apply(train.x);
  standardiser.apply(test.x);
  std::vector<double> l2;
  for (const StrengthScore& strength : choice.strengths) l2.push_back(strength.l2);
  const auto heads = train_heads(ctx, train, options, l2);
  for (std::size_t s = 0; s < heads.size(); ++s) {
    count(ctx, *heads[s], test, choice.strengths[s].confusion);
    choice.strengths[s].unconverged += heads[s]->end().converged ? 0 : 1;
  }
}

}  // namespace

std::vector<float> StandardisedHead::scores(Context& ctx, std::vector<float> x) const {
  standardiser.apply(x);
  return head->scores(ctx, x);
}

StandardisedHead train_head(Context& ctx, const LabelledFeatures& features,
                            const HeadOptions& options, double l2) {
  if (features.count() == 0) fail("head: there is no sample to train on");
  LabelledFeatures standardised = features;
  StandardisedHead result;
  result.standardiser = Standardiser::of(features.x, features.width);
  result.standardiser.apply(standardised.x);
  result.head = std::move(train_heads(ctx, standardised, options, {l2}).front());
  return result;
}

HeadChoice choose_l2(Context& ctx, const LabelledFeatures& features, const std::vector<int>& fold,
                     const HeadOptions& options, std::vector<double> l2,
                     const std::function<bool()>& stop) {
  if (l2.empty()) fail("head: no strength of l2 to choose from");
  std::sort(l2.rbegin(), l2.rend());
  HeadChoice choice;
  for (const double strength : l2) {
    choice.strengths.push_back({strength, Confusion(features.classes), {}, 0});
  }
  const int folds = *std::max_element(fold.begin(), fold.end()) + 1;
  for (int held_out = 0; held_out < folds; ++held_out) {
    score_fold(ctx, features, fold, held_out, options, choice);
    if (stop && stop()) fail("interrupted after fold ", held_out + 1, " of ", folds);
  }
  const auto merit = [](const StrengthScore& s) {
    return std::tuple(s.metrics.balanced_accuracy, s.metrics.accuracy);
  };
  for (StrengthScore& strength : choice.strengths)
    strength.metrics = metrics_of(strength.confusion);
  const auto best = std::max_element(
      choice.strengths.begin(), choice.strengths.end(),
      [&](const StrengthScore& a, const StrengthScore& b) { return merit(a) < merit(b); });
  choice.l2 = best->l2;
  return choice;
}

}  // namespace lamella
