// Small pictures inside a page.
#pragma once

#include <string>

namespace lamella::tool {

// The image file, its middle reduced to 112 x 112 pixels, as a data: address with a PNG in it. 16
// bits are spread over 8 from the image's darkest to its brightest sample. Empty where the file
// cannot be read: a page is no place to fail for that.
std::string picture_address(const std::string& file);

}  // namespace lamella::tool
