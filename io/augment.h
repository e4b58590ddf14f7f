// Random crops, flips and quarter turns, addressed by (seed, epoch, image): the same whatever the
// number of threads, and easy to repeat elsewhere.
#pragma once

#include <cstdint>

#include "io/image.h"
#include "io/preprocess.h"

namespace lamella {

struct AugmentOptions {
  bool flip_horizontal = false;  // left <-> right
  bool flip_vertical = false;    // top <-> bottom
  bool quarter_turns = false;  // 0, 1, 2 or 3 turns counter-clockwise, as numpy.rot90; square only
  bool random_crop = false;    // of the resized image; give Preprocess::margin or `pad` room
  std::int64_t pad = 0;        // reflected pixels around the resized image; random_crop only

  bool any() const { return flip_horizontal || flip_vertical || quarter_turns || random_crop; }
  bool operator==(const AugmentOptions&) const = default;
};

// What is done to one image.
struct Augmentation {
  std::int64_t y = 0, x = 0;  // first row and column of the crop, in the padded image
  bool flip_horizontal = false, flip_vertical = false;
  int turns = 0;
};

// Draws from Rng(seed + epoch * 0x9E3779B97F4A7C15 mod 2^64, RngStream::Augment, image), always
// five numbers in this order, so that switching one off does not move the others:
//   y = below(padded height - height + 1), x = below(padded width - width + 1),
//   horizontal = below(2), vertical = below(2), turns = below(4).
// What is switched off is then set to none (the crop: to the centre).
// `height`, `width`: of the image that fit_image() made.
Augmentation draw_augmentation(const AugmentOptions& options, const Preprocess& preprocess,
                               std::int64_t height, std::int64_t width, std::uint64_t seed,
                               std::int64_t epoch, std::int64_t image);

// Crops (out of the image padded by numpy.pad's "reflect"), then flips left-right, then flips
// top-bottom, then turns. The result has preprocess.height x preprocess.width pixels.
Image augment(const Image& fitted, const AugmentOptions& options, const Preprocess& preprocess,
              const Augmentation& augmentation);

}  // namespace lamella
