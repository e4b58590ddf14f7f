// What the codec files share. Private to io/: each format's library is seen by its own .cpp only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "engine/errors.h"
#include "io/image.h"

namespace lamella::codecs {

using Bytes = std::span<const std::uint8_t>;

Image decode_png(Bytes bytes, const std::string& name, const ImageLimits& limits);
Image decode_jpeg(Bytes bytes, const std::string& name, const ImageLimits& limits);
Image decode_tiff(Bytes bytes, const std::string& name, const ImageLimits& limits);

// What the EXIF segment of a JPEG file says of Image::orientation; 1 where it says nothing, or
// nothing that makes sense. Reads the segments before the first scan, each once.
int exif_orientation(Bytes jpeg);

// An image with room for its samples; refuses what passes the limits before taking memory.
Image make_image(const std::string& name, const ImageLimits& limits, std::int64_t height,
                 std::int64_t width, std::int64_t channels, int bit_depth);

// Throws Error unless a writer can write it: extents, channels, depth and sample count agree.
void check_writable(const std::string& path, const Image& image);

}  // namespace lamella::codecs
