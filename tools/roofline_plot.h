// A roofline as inline SVG: the memory's slope and the units' ceilings of a GPU, and where kernel
// calls stand by their arithmetic intensity. Williams, Waterman & Patterson 2009.
#pragma once

#include <string>
#include <vector>

#include "tools/roofline.h"

namespace lamella::tool {

// A call. Its two places are at FLOPs per byte of the least it could move, and of what it touched.
struct RooflinePoint {
  std::string group;  // the kernel; one strip below the roof for each
  std::string label;  // shown where a group has few points
  std::string hint;   // shown where the pointer rests
  DType dtype = DType::F32;
  double least = 0, distinct = 0;  // above nought
};

// `width` in pixels: the drawing is made for it, text stays as large as it is. Groups keep the
// order in which they come first.
std::string roofline_svg(const Roofline& gpu, const std::vector<RooflinePoint>& points,
                         double width);

}  // namespace lamella::tool
