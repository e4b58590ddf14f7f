// Images and files for the tests of io/: a patterned image, writers of every variant of the formats
// that lamella reads, and a folder that disappears with its test.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/image.h"

namespace lamella::fixtures {

// Every sample differs from its neighbours, so a shifted or transposed copy is noticed.
Image pattern(std::int64_t height, std::int64_t width, std::int64_t channels, int bit_depth);

struct PngVariant {
  // 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha
  int color_type = 0;
  int bits = 8;
  bool interlaced = false;
};
// The bytes of the file; `expected` becomes what reading it must give.
std::vector<std::uint8_t> make_png(const PngVariant& variant, std::int64_t height,
                                   std::int64_t width, Image& expected);

// `channels`: 1, 3, or 4 for CMYK.
std::vector<std::uint8_t> make_jpeg(std::int64_t height, std::int64_t width, int channels,
                                    bool progressive);

struct TiffVariant {
  int compression = 1;  // 1 none, 5 LZW, 8 deflate, 32773 PackBits
  int channels = 1;
  int bits = 8;
  int extra_samples = 0;
  bool tiled = false, planar = false, big_endian = false, min_is_white = false, big_tiff = false;
};
std::vector<std::uint8_t> make_tiff(const TiffVariant& variant, const Image& image);

// An IDX file of unsigned bytes whose header says `shape`, whatever the values; and a gzipped file.
std::vector<std::uint8_t> make_idx(const std::vector<std::uint32_t>& shape,
                                   const std::vector<std::uint8_t>& values);
std::vector<std::uint8_t> gzipped(const std::vector<std::uint8_t>& bytes);

std::vector<std::uint8_t> read_bytes(const std::string& path);
void write_bytes(const std::string& path, const std::vector<std::uint8_t>& bytes);
void write_text(const std::string& path, const std::string& text);

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path(const std::string& name = "") const;
  // Writes a small gray PNG whose pixels depend on `value`, with the folders above it.
  void add_image(const std::string& name, int value = 0) const;

 private:
  std::filesystem::path path_;
};

// The message of the Error that `action` throws, or "" where it throws none.
template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace lamella::fixtures
