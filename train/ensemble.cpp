#include "train/ensemble.h"

#include <algorithm>

#include "engine/errors.h"

namespace lamella {
namespace {

void check_members(std::span<const Evaluation> members) {
  if (members.empty()) fail("ensemble: there are no members");
  const std::vector<Prediction>& first = members.front().predictions;
  for (const Evaluation& member : members) {
    const bool same = std::equal(first.begin(), first.end(), member.predictions.begin(),
                                 member.predictions.end(), [](const auto& a, const auto& b) {
                                   return a.index == b.index && a.label == b.label &&
                                          a.probabilities.size() == b.probabilities.size();
                                 });
    if (!same) fail("ensemble: the members judged different images, or know different classes");
  }
}

Prediction mean_prediction(std::span<const Evaluation> members, std::size_t image) {
  Prediction mean = members.front().predictions[image];
  for (std::size_t c = 0; c < mean.probabilities.size(); ++c) {
    double sum = 0;
    for (const Evaluation& m : members) sum += double{m.predictions[image].probabilities[c]};
    mean.probabilities[c] = static_cast<float>(sum / static_cast<double>(members.size()));
  }
  return mean;
}

}  // namespace

Evaluation mean_of(std::span<const Evaluation> members) {
  check_members(members);
  Evaluation mean{{}, 0, Confusion(members.front().confusion.classes())};
  const std::size_t images = members.front().predictions.size();
  for (std::size_t i = 0; i < images; ++i) {
    Prediction prediction = mean_prediction(members, i);
    mean.confusion.add(prediction.label, top_class(prediction.probabilities));
    mean.predictions.push_back(std::move(prediction));
  }
  mean.loss = loss_of(mean.predictions);
  return mean;
}

Confusion majority_of(std::span<const Evaluation> members) {
  check_members(members);
  Confusion confusion(members.front().confusion.classes());
  for (std::size_t i = 0; i < members.front().predictions.size(); ++i) {
    const Prediction mean = mean_prediction(members, i);
    // A vote outweighs any probability.
    std::vector<float> votes = mean.probabilities;
    for (const Evaluation& member : members) {
      votes[static_cast<std::size_t>(top_class(member.predictions[i].probabilities))] += 2;
    }
    confusion.add(mean.label, top_class(votes));
  }
  return confusion;
}

}  // namespace lamella
