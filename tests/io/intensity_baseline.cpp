#include "intensity_baseline.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "io/preprocess.h"

namespace lamella {
namespace {

constexpr std::size_t kBins = 32;
constexpr int kSteps = 1500;

using Matrix = std::vector<std::vector<double>>;  // rows

struct Table {
  Matrix features;  // one row per image, last entry 1 (the bias)
  std::vector<std::size_t> labels;
};

Table read_table(const Dataset& dataset) {
  Table table;
  for (const Sample& sample : dataset.samples) {
    table.features.push_back(intensity_features(read_image(dataset.file(sample))));
    table.labels.push_back(static_cast<std::size_t>(sample.label));
  }
  return table;
}

// Brings every feature of `train` to mean 0 and deviation 1, and `test` by the same rule;
// appends 1.
void standardise(Matrix& train, Matrix& test) {
  const auto count = static_cast<double>(train.size());
  for (std::size_t f = 0; f < train.front().size(); ++f) {
    double mean = 0.0, square = 0.0;
    for (const auto& row : train) mean += row[f] / count;
    for (const auto& row : train) square += (row[f] - mean) * (row[f] - mean) / count;
    const double scale = square > 0.0 ? 1.0 / std::sqrt(square) : 0.0;
    for (Matrix* rows : {&train, &test}) {
      for (auto& row : *rows) row[f] = (row[f] - mean) * scale;
    }
  }
  for (Matrix* rows : {&train, &test}) {
    for (auto& row : *rows) row.push_back(1.0);
  }
}

std::vector<double> scores(const Matrix& weights, const std::vector<double>& features) {
  std::vector<double> result(weights.size());
  for (std::size_t k = 0; k < weights.size(); ++k) {
    for (std::size_t f = 0; f < features.size(); ++f) result[k] += weights[k][f] * features[f];
  }
  return result;
}

// Adds the gradient of -log softmax(scores)[label] / count for one image.
void add_gradient(const Matrix& weights, const std::vector<double>& features, std::size_t label,
                  double count, Matrix& gradient) {
  std::vector<double> p = scores(weights, features);
  const double top = *std::max_element(p.begin(), p.end());
  double sum = 0.0;
  for (double& value : p) sum += value = std::exp(value - top);
  for (std::size_t k = 0; k < p.size(); ++k) {
    const double error = (p[k] / sum - (k == label ? 1.0 : 0.0)) / count;
    for (std::size_t f = 0; f < features.size(); ++f) gradient[k][f] += error * features[f];
  }
}

// Gradient descent with momentum on mean cross-entropy + l2/2 |weights|^2; the problem is convex.
Matrix fit(const Table& train, std::size_t classes, double l2) {
  const std::size_t columns = train.features.front().size();
  Matrix weights(classes, std::vector<double>(columns)), velocity = weights;
  const auto count = static_cast<double>(train.labels.size());
  for (int step = 0; step < kSteps; ++step) {
    Matrix gradient(classes, std::vector<double>(columns));
    for (std::size_t i = 0; i < train.labels.size(); ++i) {
      add_gradient(weights, train.features[i], train.labels[i], count, gradient);
    }
    for (std::size_t k = 0; k < classes; ++k) {
      for (std::size_t f = 0; f < columns; ++f) {
        velocity[k][f] = 0.9 * velocity[k][f] - 0.05 * (gradient[k][f] + l2 * weights[k][f]);
        weights[k][f] += velocity[k][f];
      }
    }
  }
  return weights;
}

double accuracy(const Table& test, const Matrix& weights) {
  double right = 0.0;
  for (std::size_t i = 0; i < test.labels.size(); ++i) {
    const auto s = scores(weights, test.features[i]);
    const auto best = std::max_element(s.begin(), s.end()) - s.begin();
    if (static_cast<std::size_t>(best) == test.labels[i]) right += 1.0;
  }
  return right / static_cast<double>(test.labels.size());
}

}  // namespace

std::vector<double> intensity_features(const Image& image) {
  const Image gray = convert_channels(image, 1);
  const auto count = static_cast<double>(gray.samples.size());
  std::vector<double> features(kBins);
  std::vector<double> x;
  for (const std::uint16_t sample : gray.samples) {
    x.push_back(static_cast<double>(sample) / static_cast<double>(gray.max_sample()));
    const auto bin = std::min(kBins - 1, static_cast<std::size_t>(x.back() * kBins));
    features[bin] += 1.0 / count;
  }
  double entropy = 0.0;
  for (const double share : features) entropy -= share > 0.0 ? share * std::log(share) : 0.0;
  double mean = 0.0;
  for (const double value : x) mean += value / count;
  std::array<double, 5> moment{};
  for (const double value : x) {
    for (int power = 2; power <= 4; ++power) {
      moment[static_cast<std::size_t>(power)] += std::pow(value - mean, power) / count;
    }
  }
  const double variance = std::max(moment[2], 1e-12), deviation = std::sqrt(variance);
  double gradient = 0.0, laplacian = 0.0;
  const auto width = static_cast<std::size_t>(gray.width);
  for (std::size_t row = 1; row + 1 < static_cast<std::size_t>(gray.height); ++row) {
    for (std::size_t i = row * width + 1; i + 1 < (row + 1) * width; ++i) {
      const double dx = (x[i + 1] - x[i - 1]) / 2.0, dy = (x[i + width] - x[i - width]) / 2.0;
      const double bend = x[i + 1] + x[i - 1] + x[i + width] + x[i - width] - 4.0 * x[i];
      gradient += (dx * dx + dy * dy) / count;
      laplacian += bend * bend / count;
    }
  }
  features.insert(features.end(), {mean, deviation, moment[3] / (variance * deviation),
                                   moment[4] / (variance * variance), entropy, gradient, laplacian,
                                   gradient / variance, laplacian / variance});
  return features;
}

IntensityBaseline intensity_baseline(const Dataset& train, const Dataset& test) {
  Table from = read_table(train), to = read_table(test);
  standardise(from.features, to.features);
  IntensityBaseline result;
  const auto counts = test.class_counts();
  result.chance = static_cast<double>(*std::max_element(counts.begin(), counts.end())) /
                  static_cast<double>(test.samples.size());
  for (const double l2 : {1e-1, 1e-2, 1e-3}) {
    const double reached = accuracy(to, fit(from, train.classes.size(), l2));
    if (reached <= result.accuracy) continue;
    result.accuracy = reached;
    result.l2 = l2;
  }
  return result;
}

}  // namespace lamella
