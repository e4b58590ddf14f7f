// Antialiased resize, equal to Pillow's Image.resize within 1 of 255.
#pragma once

#include <cstdint>

#include "io/image.h"

namespace lamella {

enum class Interpolation {
  Bilinear,  // a triangle, 1 wide to either side
  Bicubic,   // Keys' cubic with a = -1/2, 2 wide to either side; overshoots are clamped
};

// A filter whose support grows with the reduction, first along rows, then along columns (Pillow,
// libImaging/Resample.c). 8 bits: Pillow's fixed point with an 8-bit image in between. 16 bits:
// double sums with a float image in between, rounded to the nearest integer at the end.
// height, width >= 1. O(height width_in support + height width support).
Image resize(const Image& image, std::int64_t height, std::int64_t width,
             Interpolation interpolation = Interpolation::Bilinear);

}  // namespace lamella
