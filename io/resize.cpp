// Separable resampling with a stretched filter, in Pillow's two arithmetics.
#include "io/resize.h"

#include <algorithm>
#include <cmath>

#include "engine/errors.h"

namespace lamella {
namespace {

// Pillow's arithmetic for 8-bit images: weights with 22 fraction bits, rounded after each pass.
struct FixedPoint {
  using Weight = std::int32_t;
  using Sum = std::int32_t;
  using Between = std::uint16_t;
  static constexpr int kBits = 22;

  static Weight weight(double w) { return static_cast<Weight>(std::lround(w * (1 << kBits))); }
  template <class Out>
  static Out finish(Sum sum) {
    return static_cast<Out>(std::clamp((sum + (1 << (kBits - 1))) >> kBits, 0, 255));
  }
};

// Pillow's arithmetic for float images, here for 16-bit samples.
struct FloatingPoint {
  using Weight = double;
  using Sum = double;
  using Between = float;

  static Weight weight(double w) { return w; }
  template <class Out>
  static Out finish(Sum sum) {
    if constexpr (std::is_same_v<Out, float>) return static_cast<float>(sum);
    return static_cast<Out>(std::clamp(std::lround(sum), 0L, 65535L));
  }
};

// Which input positions make an output position: weights[i] belongs to input first + i.
template <class Weight>
struct Tap {
  std::int64_t first = 0;
  std::vector<Weight> weights;
};

struct Filter {
  double support;  // it is 0 from here on
  double (*at)(double t);
};

double triangle(double t) {
  return std::max(0.0, 1.0 - std::abs(t));
}

double cubic(double t) {
  constexpr double a = -0.5;
  t = std::abs(t);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0.0;
}

// The filter, stretched by the reduction, around the output's centre; weights sum to 1.
template <class Arithmetic>
std::vector<Tap<typename Arithmetic::Weight>> make_taps(std::int64_t in, std::int64_t out,
                                                        const Filter& filter) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0), shrink = 1.0 / stretch;
  const double support = filter.support * stretch;
  std::vector<Tap<typename Arithmetic::Weight>> taps(static_cast<std::size_t>(out));
  std::vector<double> weights;
  for (std::int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - support + 0.5));
    const auto last = std::min(in, static_cast<std::int64_t>(centre + support + 0.5));
    weights.clear();
    double sum = 0.0;
    for (std::int64_t j = first; j < last; ++j) {
      const double distance = (static_cast<double>(j) - centre + 0.5) * shrink;
      weights.push_back(filter.at(distance));
      sum += weights.back();
    }
    auto& tap = taps[static_cast<std::size_t>(i)];
    tap.first = first;
    for (const double weight : weights) tap.weights.push_back(Arithmetic::weight(weight / sum));
  }
  return taps;
}

// One axis of [outer, in_length, inner] -> [outer, taps.size(), inner].
template <class Arithmetic, class In, class Out>
std::vector<Out> resample(const std::vector<In>& in, std::int64_t outer, std::int64_t in_length,
                          std::int64_t inner,
                          const std::vector<Tap<typename Arithmetic::Weight>>& taps) {
  std::vector<Out> out(static_cast<std::size_t>(outer * inner) * taps.size());
  std::vector<typename Arithmetic::Sum> sums(static_cast<std::size_t>(inner));
  auto to = out.begin();
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const auto& tap : taps) {
      std::fill(sums.begin(), sums.end(), typename Arithmetic::Sum{0});
      const In* from = in.data() + (o * in_length + tap.first) * inner;
      for (const auto weight : tap.weights) {
        for (auto& sum : sums) sum += weight * static_cast<typename Arithmetic::Sum>(*from++);
      }
      for (const auto sum : sums) *to++ = Arithmetic::template finish<Out>(sum);
    }
  }
  return out;
}

template <class Arithmetic>
std::vector<std::uint16_t> resize_samples(const Image& image, std::int64_t height,
                                          std::int64_t width, const Filter& filter) {
  using Between = typename Arithmetic::Between;
  const auto across = make_taps<Arithmetic>(image.width, width, filter);
  const auto down = make_taps<Arithmetic>(image.height, height, filter);
  const auto between = resample<Arithmetic, std::uint16_t, Between>(
      image.samples, image.height, image.width, image.channels, across);
  return resample<Arithmetic, Between, std::uint16_t>(between, 1, image.height,
                                                      width * image.channels, down);
}

}  // namespace

Image resize(const Image& image, std::int64_t height, std::int64_t width,
             Interpolation interpolation) {
  if (height < 1 || width < 1) {
    fail("resize: the result would be ", height, "x", width, "; both must be at least 1");
  }
  if (height == image.height && width == image.width) return image;
  const Filter filter =
      interpolation == Interpolation::Bicubic ? Filter{2, cubic} : Filter{1, triangle};
  return {height, width, image.channels, image.bit_depth,
          image.bit_depth == 8 ? resize_samples<FixedPoint>(image, height, width, filter)
                               : resize_samples<FloatingPoint>(image, height, width, filter)};
}

}  // namespace lamella
