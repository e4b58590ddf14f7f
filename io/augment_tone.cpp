// Augmentations of the samples' values: brightness, contrast, saturation, blur and noise.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/rng.h"
#include "io/augment_steps.h"

namespace lamella {
namespace {

float clamp(float value) {
  return std::clamp(value, 0.0F, 1.0F);
}

float grey_of(const float* pixel, std::size_t channels) {
  return channels == 3 ? 0.2989F * pixel[0] + 0.587F * pixel[1] + 0.114F * pixel[2] : pixel[0];
}

// Brightness, contrast and saturation, one after the other, as image_jitter of kernel_table.h.
void jitter(std::vector<float>& x, std::size_t channels, const Augmentation& a) {
  const auto brightness = static_cast<float>(a.brightness);
  const auto contrast = static_cast<float>(a.contrast);
  const auto saturation = static_cast<float>(a.saturation);
  if (brightness != 1) {
    for (float& value : x) value = clamp(brightness * value);
  }
  if (contrast != 1) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); i += channels) sum += grey_of(&x[i], channels);
    const auto mean = static_cast<float>(sum / static_cast<double>(x.size() / channels));
    for (float& value : x) value = clamp(contrast * value + (1 - contrast) * mean);
  }
  if (saturation == 1 || channels == 1) return;
  for (std::size_t i = 0; i < x.size(); i += channels) {
    const float grey = grey_of(&x[i], channels);
    for (std::size_t c = 0; c < channels; ++c) {
      x[i + c] = clamp(saturation * x[i + c] + (1 - saturation) * grey);
    }
  }
}

// Weights of a Gaussian at -radius ... radius, of sum 1.
std::vector<float> gaussian(double sigma) {
  const auto radius = static_cast<int>(std::ceil(3 * sigma));
  std::vector<double> weights;
  double sum = 0;
  for (int i = -radius; i <= radius; ++i) {
    weights.push_back(std::exp(-0.5 * (i / sigma) * (i / sigma)));
    sum += weights.back();
  }
  std::vector<float> result;
  for (const double weight : weights) result.push_back(static_cast<float>(weight / sum));
  return result;
}

// Of `lines` rows or columns: `count` places each, `step` samples apart; lines begin at
// begin(line).
template <typename Begin>
void blur_lines(std::vector<float>& x, const std::vector<float>& weights, std::int64_t lines,
                std::int64_t count, std::int64_t step, const Begin& begin) {
  const auto radius = static_cast<std::int64_t>(weights.size() / 2);
  std::vector<float> line(static_cast<std::size_t>(count + 2 * radius));
  for (std::int64_t l = 0; l < lines; ++l) {
    float* const first = &x[static_cast<std::size_t>(begin(l))];
    for (std::int64_t i = -radius; i < count + radius; ++i) {
      line[static_cast<std::size_t>(i + radius)] = first[reflected(i, count) * step];
    }
    for (std::int64_t i = 0; i < count; ++i) {
      float sum = 0;
      for (std::size_t k = 0; k < weights.size(); ++k) {
        sum += weights[k] * line[static_cast<std::size_t>(i) + k];
      }
      first[i * step] = sum;
    }
  }
}

void blur(std::vector<float>& x, const Image& image, double sigma) {
  const std::vector<float> weights = gaussian(sigma);
  const std::int64_t C = image.channels, pitch = image.width * C;
  blur_lines(x, weights, image.height * C, image.width, C,
             [&](std::int64_t l) { return l / C * pitch + l % C; });
  blur_lines(x, weights, pitch, image.height, pitch, [](std::int64_t l) { return l; });
}

}  // namespace

Image change_tone(Image image, const Augmentation& augmentation) {
  const Augmentation& a = augmentation;
  if (a.brightness == 1 && a.contrast == 1 && a.saturation == 1 && a.blur == 0 && a.noise == 0) {
    return image;
  }
  const auto most = static_cast<float>(image.max_sample());
  std::vector<float> x(image.samples.begin(), image.samples.end());
  for (float& value : x) value /= most;
  jitter(x, static_cast<std::size_t>(image.channels), a);
  if (a.blur > 0) blur(x, image, a.blur);
  if (a.noise > 0) {
    Rng rng(a.noise_seed, RngStream::Noise, a.noise_substream);
    for (float& value : x) value += static_cast<float>(a.noise * rng.normal());
  }
  std::transform(x.begin(), x.end(), image.samples.begin(), [most](float value) {
    return static_cast<std::uint16_t>(std::lround(clamp(value) * most));
  });
  return image;
}

}  // namespace lamella
