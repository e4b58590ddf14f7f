// Small pictures inside a page.
#pragma once

#include <string>

#include "io/dataset.h"

namespace lamella::tool {

// An image of the data set, its middle reduced to 112 x 112 pixels, as a data: address with a PNG
// in it. 16 bits are spread over 8 from the image's darkest to its brightest sample. Empty where
// the image cannot be read: a page is no place to fail for that.
std::string picture_address(const Dataset& dataset, const std::string& path);

}  // namespace lamella::tool
