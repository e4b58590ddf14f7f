#include "train/standardiser.h"

#include <algorithm>
#include <cmath>

namespace lamella {

Standardiser Standardiser::of(std::span<const float> x, std::int64_t width) {
  const auto D = static_cast<std::size_t>(width);
  const std::size_t N = x.size() / D;
  // Differences from the first row are exactly 0 where a feature is constant.
  std::vector<double> sum(D), squares(D);
  for (std::size_t n = 0; n < N; ++n) {
    for (std::size_t d = 0; d < D; ++d) sum[d] += double{x[n * D + d]} - double{x[d]};
  }
  for (double& value : sum) value /= static_cast<double>(N);
  for (std::size_t n = 0; n < N; ++n) {
    for (std::size_t d = 0; d < D; ++d) {
      const double difference = double{x[n * D + d]} - double{x[d]} - sum[d];
      squares[d] += difference * difference;
    }
  }
  Standardiser result;
  for (std::size_t d = 0; d < D; ++d) {
    result.mean.push_back(static_cast<float>(double{x[d]} + sum[d]));
    const double std = std::sqrt(squares[d] / static_cast<double>(N));
    result.scale.push_back(std > 0 ? static_cast<float>(1 / std) : 0.0F);
  }
  return result;
}

void Standardiser::apply(std::vector<float>& x) const {
  const std::size_t D = mean.size();
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = (x[i] - mean[i % D]) * scale[i % D];
}

std::int64_t Standardiser::constants() const {
  return std::count(scale.begin(), scale.end(), 0.0F);
}

}  // namespace lamella
