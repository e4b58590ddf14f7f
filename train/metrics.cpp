#include "train/metrics.h"

#include <algorithm>
#include <cmath>

#include "engine/errors.h"

namespace lamella {
namespace {

double ratio(double over, double under) {
  return under > 0 ? over / under : 0.0;
}

double f_beta(double hits, double truth, double predicted, double beta) {
  return ratio((1 + beta * beta) * hits, beta * beta * truth + predicted);
}

void accumulate(Scores& sum, const Scores& scores, double weight) {
  sum.precision += weight * scores.precision;
  sum.recall += weight * scores.recall;
  sum.f1 += weight * scores.f1;
  sum.f2 += weight * scores.f2;
  sum.f0_5 += weight * scores.f0_5;
  sum.specificity += weight * scores.specificity;
}

// Wilson's score interval at z = 1.959963984540054.
void wilson(double hits, double n, double& low, double& high) {
  low = 0;
  high = 1;
  if (n == 0) return;
  constexpr double kZ = 1.959963984540054;
  const double p = hits / n, z2n = kZ * kZ / n;
  const double centre = (p + z2n / 2) / (1 + z2n);
  const double half = kZ / (1 + z2n) * std::sqrt(p * (1 - p) / n + z2n / (4 * n));
  low = std::max(0.0, centre - half);
  high = std::min(1.0, centre + half);
}

}  // namespace

void Confusion::add(std::int64_t truth, std::int64_t predicted, std::int64_t images) {
  if (truth < 0 || truth >= classes_ || predicted < 0 || predicted >= classes_) {
    fail("confusion matrix of ", classes_, " classes: no cell (", truth, ", ", predicted, ")");
  }
  counts_[static_cast<std::size_t>(truth * classes_ + predicted)] += images;
}

std::int64_t Confusion::at(std::int64_t truth, std::int64_t predicted) const {
  return counts_[static_cast<std::size_t>(truth * classes_ + predicted)];
}

std::int64_t Confusion::images() const {
  std::int64_t sum = 0;
  for (const std::int64_t count : counts_) sum += count;
  return sum;
}

Metrics metrics_of(const Confusion& confusion) {
  Metrics m;
  m.n = confusion.images();
  const auto total = static_cast<double>(m.n);
  double hits_in_all = 0, recalls = 0, present = 0, named = 0;
  for (std::int64_t c = 0; c < confusion.classes(); ++c) {
    ClassScores& row = m.per_class.emplace_back();
    std::int64_t predicted_as = 0;
    for (std::int64_t other = 0; other < confusion.classes(); ++other) {
      row.n += confusion.at(c, other);
      predicted_as += confusion.at(other, c);
    }
    const auto hits = static_cast<double>(confusion.at(c, c));
    const auto truth = static_cast<double>(row.n), predicted = static_cast<double>(predicted_as);
    row.precision = ratio(hits, predicted);
    row.recall = ratio(hits, truth);
    row.f1 = f_beta(hits, truth, predicted, 1);
    row.f2 = f_beta(hits, truth, predicted, 2);
    row.f0_5 = f_beta(hits, truth, predicted, 0.5);
    row.specificity = ratio(total - truth - (predicted - hits), total - truth);
    hits_in_all += hits;
    if (row.n > 0) {
      recalls += row.recall;
      ++present;
    }
    if (row.n > 0 || predicted_as > 0) {
      accumulate(m.macro, row, 1);
      ++named;
    }
    accumulate(m.weighted, row, ratio(truth, total));
  }
  Scores sum = m.macro;
  m.macro = {};
  accumulate(m.macro, sum, ratio(1, named));
  m.accuracy = ratio(hits_in_all, total);
  m.balanced_accuracy = ratio(recalls, present);
  wilson(hits_in_all, total, m.accuracy_low, m.accuracy_high);
  return m;
}

}  // namespace lamella
