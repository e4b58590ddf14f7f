// Images in memory, and reading and writing them. The format of a file is told by its first bytes,
// never by its name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lamella {

// Integer samples as the file holds them: 0 is black, max_sample() is white. 16-bit storage for
// both depths; what is 1, 2 or 4 bits deep in a file is scaled to 8 bits.
struct Image {
  std::int64_t height = 0, width = 0;
  std::int64_t channels = 1;           // 1 gray, 3 RGB
  int bit_depth = 8;                   // 8 or 16
  std::vector<std::uint16_t> samples;  // height * width * channels, row by row, RGB interleaved
  // What is still to be done, as EXIF numbers it: 1 nothing, 2 mirror left-right, 3 turn by 180
  // degrees, 4 mirror top-bottom, 5 mirror about the main diagonal, 6 turn 90 degrees clockwise, 7
  // mirror about the other diagonal, 8 turn 90 degrees the other way. Other than 1 from JPEG only.
  int orientation = 1;

  std::int64_t max_sample() const { return (std::int64_t{1} << bit_depth) - 1; }
};

// What a file may ask for. Checked against its header before memory is taken.
struct ImageLimits {
  std::int64_t pixels = std::int64_t{1} << 28;    // 16384 x 16384
  std::size_t bytes = std::size_t{2} << 30;       // of the decoded samples
  std::size_t file_bytes = std::size_t{1} << 30;  // of the file
};

// Reads a PNG, JPEG or TIFF file.
//   PNG   gray and RGB of 1 to 16 bits, palettes (expanded to RGB); alpha is dropped; interlaced.
//   JPEG  gray and RGB (also as YCbCr), baseline and progressive. CMYK is refused.
//   TIFF  8 and 16 bits, gray (also min-is-white, turned round) and RGB; further samples per pixel
//         (alpha) are dropped; strips and tiles, contiguous and planar, both byte orders;
//         uncompressed, LZW, deflate, PackBits. The first page.
// The EXIF orientation of a JPEG file is told, and not applied (upright() does); that of other
// formats and colour profiles are ignored. Throws Error naming the file and the reason, in
// damaged files also the row. Takes at most about twice limits.bytes and 64 MiB beside the file.
Image read_image(const std::string& path, const ImageLimits& limits = {});

// The same from memory; `name` is what errors call it.
Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name,
                   const ImageLimits& limits = {});

// The image turned and mirrored as its orientation says, like Pillow's ImageOps.exif_transpose; its
// own orientation is then 1.
Image upright(const Image& image);

// True for names that end in .png, .jpg, .jpeg, .tif or .tiff, in any case: what a data set takes
// from a folder.
bool is_image_name(const std::string& path);

// Writers: 8 and 16 bits, gray and RGB. They throw Error naming the file and the reason. The same
// image gives the same bytes with the same version of the format's library.
void write_png(const std::string& path, const Image& image);
// What write_png would write.
std::vector<std::uint8_t> encode_png(const Image& image);
// One strip per 64 rows, deflate. `description` becomes the ImageDescription tag where not empty.
void write_tiff(const std::string& path, const Image& image, const std::string& description = "");

}  // namespace lamella
