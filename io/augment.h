// Random changes of training images, addressed by (seed, epoch, image): the same whatever the
// number of threads, and easy to repeat elsewhere.
#pragma once

#include <cstdint>

#include "io/image.h"
#include "io/preprocess.h"

namespace lamella {

// Numbers are the largest change; what is drawn lies uniformly between it and none.
struct AugmentOptions {
  bool flip_horizontal = false;  // left <-> right
  bool flip_vertical = false;    // top <-> bottom
  bool quarter_turns = false;  // 0, 1, 2 or 3 turns counter-clockwise, as numpy.rot90; square only
  bool random_crop = false;    // of the resized image; give Preprocess::margin or `pad` room
  std::int64_t pad = 0;        // reflected pixels around the resized image; random_crop only
  double rotate = 0;           // degrees to either side, 0 to 180
  double translate = 0;        // to either side, of the width and of the height, 0 to 1
  // Smallest share of the image's area that is cut out and resized, > 0; 1: off. Its aspect is
  // changed by up to 3/4 or 4/3, as torchvision's RandomResizedCrop does. Not with random_crop.
  double resized_crop = 1;
  double brightness = 0, contrast = 0, saturation = 0;  // factors are 1 - this to 1 + this; 0 to 1
  double blur = 0;                                      // standard deviation in pixels, 0 to 16
  double noise = 0;  // standard deviation on the scale 0..1, 0 to 1

  // Whether pixels are read between pixels, not only moved.
  bool warps() const { return rotate > 0 || translate > 0 || resized_crop < 1; }
  bool operator==(const AugmentOptions&) const = default;
};

// Throws Error where a number is out of its range.
void check(const AugmentOptions& options);

// What is done to one image.
struct Augmentation {
  // The part of the fitted image that is taken, in pixels; may reach beyond it. Whole numbers and
  // the size of the result unless resized_crop is on.
  double y = 0, x = 0, height = 0, width = 0;
  bool flip_horizontal = false, flip_vertical = false;
  int turns = 0;
  double angle = 0;                 // degrees, counter-clockwise
  double shift_y = 0, shift_x = 0;  // of what is seen, down and right, in heights and widths
  double brightness = 1, contrast = 1, saturation = 1;
  double blur = 0, noise = 0;
  std::uint64_t noise_seed = 0;       // seed + epoch * stride, as below
  std::uint32_t noise_substream = 0;  // the image
};

// Draws from Rng(seed + epoch * 0x9E3779B97F4A7C15 mod 2^64, RngStream::Augment, image), always
// these numbers in this order, so that switching one off does not move the others:
//   y = below(padded height - height + 1), x = below(padded width - width + 1) (less the pad),
//   horizontal = below(2), vertical = below(2), turns = below(4),
//   and of uniform(low, high) the angle, shift_y, shift_x, the share of the area, the logarithm of
//   the aspect, the place of the resized crop from 0 (top, left) to 1: y, x, brightness, contrast,
//   saturation, blur, noise.
// What is switched off is then set to none (the crop: to the centre).
// `height`, `width`: of the image that fit_image() made.
Augmentation draw_augmentation(const AugmentOptions& options, const Preprocess& preprocess,
                               std::int64_t height, std::int64_t width, std::uint64_t seed,
                               std::int64_t epoch, std::int64_t image);

// Where the image is read beyond its border, it goes on as by numpy.pad's "reflect".
//   1. The part is cut out, rotated about its centre and shifted, and brought to preprocess.height
//      x preprocess.width pixels; flipped left-right; flipped top-bottom; turned. All in one pass:
//      bits are moved, unless options.warps(), when the four pixels around each place are weighted
//      by nearness.
//   2. Brightness, contrast and saturation as kernel_table.h's image_jitter says; a Gaussian blur,
//      cut off at 3 standard deviations; normal(0, noise) added to each sample, from
//      Rng(noise_seed, RngStream::Noise, noise_substream), row by row; clamped to 0..1. Samples
//      are rounded once, at the end.
Image augment(const Image& fitted, const AugmentOptions& options, const Preprocess& preprocess,
              const Augmentation& augmentation);

}  // namespace lamella
