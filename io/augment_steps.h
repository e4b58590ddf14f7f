// The steps of augment(), see augment.h. Private: included by augment*.cpp and their tests.
#pragma once

#include <cstdint>

#include "io/augment.h"

namespace lamella {

// Position i of a row of n >= 1 samples continued by reflection about its first and last sample.
inline std::int64_t reflected(std::int64_t i, std::int64_t n) {
  if (i >= 0 && i < n) return i;
  const std::int64_t period = n > 1 ? 2 * (n - 1) : 1;
  i = (i % period + period) % period;
  return i < n ? i : period - i;
}

// Step 1 where pixels only move.
Image move_pixels(const Image& fitted, const Preprocess& preprocess,
                  const Augmentation& augmentation);
// Step 1 in general.
Image warp(const Image& fitted, const Preprocess& preprocess, const Augmentation& augmentation);
// Step 2.
Image change_tone(Image image, const Augmentation& augmentation);

}  // namespace lamella
