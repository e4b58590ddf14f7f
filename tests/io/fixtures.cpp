#include "fixtures.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
//
#include <jpeglib.h>
#include <png.h>
#include <tiffio.h>
#include <unistd.h>
#include <zlib.h>

namespace lamella::fixtures {
namespace {

// A file name that no other process uses.
std::string temporary_name(const std::string& suffix) {
  static int count = 0;
  const auto folder = std::filesystem::temp_directory_path();
  return (folder / ("lamella-" + std::to_string(getpid()) + "-" + std::to_string(count++) + suffix))
      .string();
}

std::vector<std::uint8_t> take_file(const std::string& path) {
  auto bytes = read_bytes(path);
  std::filesystem::remove(path);
  return bytes;
}

// What gray of `bits` becomes at 8 bits.
std::uint16_t widened(int value, int bits) {
  return static_cast<std::uint16_t>(bits < 8 ? value * 255 / ((1 << bits) - 1) : value);
}

}  // namespace

Image pattern(std::int64_t height, std::int64_t width, std::int64_t channels, int bit_depth) {
  Image image{height, width, channels, bit_depth, {}};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t value = y * 1237 + x * 3391 + c * 20011 + (x * y % 7) * 911;
        image.samples.push_back(static_cast<std::uint16_t>(value % (image.max_sample() + 1)));
      }
    }
  }
  return image;
}

std::vector<std::uint8_t> make_png(const PngVariant& variant, std::int64_t height,
                                   std::int64_t width, Image& expected) {
  const bool palette = variant.color_type == PNG_COLOR_TYPE_PALETTE;
  const bool alpha = (variant.color_type & PNG_COLOR_MASK_ALPHA) != 0;
  const bool rgb = (variant.color_type & PNG_COLOR_MASK_COLOR) != 0;
  const int in_file = palette ? 1 : (rgb ? 3 : 1) + (alpha ? 1 : 0);
  Image raw = pattern(height, width, in_file, variant.bits == 16 ? 16 : 8);
  expected = {height, width, rgb ? 3 : 1, variant.bits == 16 ? 16 : 8, {}};
  std::vector<png_color> colors;
  for (int i = 0; i < (1 << std::min(variant.bits, 8)); ++i) {
    colors.push_back({static_cast<png_byte>(i * 3), static_cast<png_byte>(255 - i),
                      static_cast<png_byte>(i * 7)});
  }
  std::vector<png_byte> rows;  // one sample or one byte of a sample each; libpng packs the bits
  for (std::size_t i = 0; i < raw.samples.size(); ++i) {
    const int value = raw.samples[i] & ((1 << variant.bits) - 1);
    if (variant.bits == 16) rows.push_back(static_cast<png_byte>(value >> 8));
    rows.push_back(static_cast<png_byte>(value));
    if (palette) {
      const png_color& color = colors[static_cast<std::size_t>(value)];
      for (const png_byte part : {color.red, color.green, color.blue}) {
        expected.samples.push_back(part);
      }
    } else if (!alpha || static_cast<int>(i) % in_file != in_file - 1) {
      expected.samples.push_back(widened(value, variant.bits));
    }
  }
  const std::string path = temporary_name(".png");
  std::FILE* file = std::fopen(path.c_str(), "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, file);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height),
               variant.bits, variant.color_type,
               variant.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
  if (palette) png_set_PLTE(png, info, colors.data(), static_cast<int>(colors.size()));
  png_write_info(png, info);
  png_set_packing(png);
  const std::size_t pitch = rows.size() / static_cast<std::size_t>(height);
  std::vector<png_bytep> pointers;
  for (std::int64_t y = 0; y < height; ++y) {
    pointers.push_back(rows.data() + static_cast<std::size_t>(y) * pitch);
  }
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  std::fclose(file);
  return take_file(path);
}

std::vector<std::uint8_t> make_jpeg(std::int64_t height, std::int64_t width, int channels,
                                    bool progressive) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_height = static_cast<JDIMENSION>(height);
  info.image_width = static_cast<JDIMENSION>(width);
  info.input_components = channels;
  info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 95, TRUE);
  if (progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<JSAMPLE> row;
  for (std::int64_t y = 0; y < height; ++y) {
    row.clear();
    for (std::int64_t x = 0; x < width; ++x) {  // smooth: JPEG would not keep the sharp pattern
      for (int c = 0; c < channels; ++c) {
        row.push_back(static_cast<JSAMPLE>(255 * (c % 2 == 0 ? x : y) / std::max(height, width)));
      }
    }
    JSAMPLE* pointer = row.data();
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  std::vector<std::uint8_t> bytes(memory, memory + size);
  jpeg_destroy_compress(&info);
  std::free(memory);
  return bytes;
}

namespace {

void set_tiff_tags(TIFF* tiff, const TiffVariant& variant, const Image& image) {
  const int photometric = variant.channels == 3  ? PHOTOMETRIC_RGB
                          : variant.min_is_white ? PHOTOMETRIC_MINISWHITE
                                                 : PHOTOMETRIC_MINISBLACK;
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, static_cast<std::uint32_t>(image.width));
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, static_cast<std::uint32_t>(image.height));
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, variant.bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, variant.channels + variant.extra_samples);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, photometric);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, variant.compression);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG,
               variant.planar ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
  if (variant.extra_samples == 1) {
    const std::uint16_t kind = EXTRASAMPLE_UNASSALPHA;
    TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &kind);
  }
  if (variant.tiled) {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 16);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, 32);
  } else {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 5);
  }
}

// The samples of one block of a file with `samples` per pixel, of which the image has the first.
std::vector<std::uint8_t> tiff_block(const TiffVariant& variant, const Image& image,
                                     std::int64_t x0, std::int64_t y0, std::int64_t rows,
                                     std::int64_t columns, int plane) {
  const int samples = variant.planar ? 1 : variant.channels + variant.extra_samples;
  std::vector<std::uint8_t> block;
  for (std::int64_t y = y0; y < y0 + rows; ++y) {
    for (std::int64_t x = x0; x < x0 + columns; ++x) {
      for (int s = 0; s < samples; ++s) {
        const int channel = variant.planar ? plane : s;
        std::uint16_t value = 77;  // padding and extra samples
        if (y < image.height && x < image.width && channel < variant.channels) {
          const auto i = (y * image.width + x) * image.channels + channel;
          value = image.samples[static_cast<std::size_t>(i)];
          if (variant.min_is_white) value = static_cast<std::uint16_t>(image.max_sample() - value);
        }
        block.push_back(static_cast<std::uint8_t>(value));  // native order: little-endian
        if (variant.bits == 16) block.push_back(static_cast<std::uint8_t>(value >> 8));
      }
    }
  }
  return block;
}

}  // namespace

std::vector<std::uint8_t> make_tiff(const TiffVariant& variant, const Image& image) {
  const std::string path = temporary_name(".tif");
  const std::string mode =
      std::string("w") + (variant.big_endian ? "b" : "l") + (variant.big_tiff ? "8" : "");
  TIFF* tiff = TIFFOpen(path.c_str(), mode.c_str());
  set_tiff_tags(tiff, variant, image);
  const std::int64_t block_height = variant.tiled ? 32 : 5;
  const std::int64_t block_width = variant.tiled ? 16 : image.width;
  const int planes = variant.planar ? variant.channels + variant.extra_samples : 1;
  for (int plane = 0; plane < planes; ++plane) {
    for (std::int64_t y = 0; y < image.height; y += block_height) {
      const std::int64_t rows = variant.tiled ? 32 : std::min(block_height, image.height - y);
      for (std::int64_t x = 0; x < image.width; x += block_width) {
        auto block = tiff_block(variant, image, x, y, rows, block_width, plane);
        const auto size = static_cast<tmsize_t>(block.size());
        const auto column = static_cast<std::uint32_t>(x), row = static_cast<std::uint32_t>(y);
        const auto p = static_cast<std::uint16_t>(plane);
        if (variant.tiled) {
          TIFFWriteEncodedTile(tiff, TIFFComputeTile(tiff, column, row, 0, p), block.data(), size);
        } else {
          TIFFWriteEncodedStrip(tiff, TIFFComputeStrip(tiff, row, p), block.data(), size);
        }
      }
    }
  }
  TIFFClose(tiff);
  return take_file(path);
}

std::vector<std::uint8_t> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::uint8_t> make_idx(const std::vector<std::uint32_t>& shape,
                                   const std::vector<std::uint8_t>& values) {
  std::vector<std::uint8_t> bytes = {0, 0, 8, static_cast<std::uint8_t>(shape.size())};
  for (const std::uint32_t extent : shape) {
    for (const int shift : {24, 16, 8, 0}) {
      bytes.push_back(static_cast<std::uint8_t>(extent >> shift & 0xffU));
    }
  }
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

std::vector<std::uint8_t> gzipped(const std::vector<std::uint8_t>& bytes) {
  const std::string path = temporary_name(".gz");
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
  return take_file(path);
}

void write_bytes(const std::string& path, const std::vector<std::uint8_t>& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

void write_text(const std::string& path, const std::string& text) {
  write_bytes(path, {text.begin(), text.end()});
}

TempDir::TempDir() : path_(temporary_name("")) {
  std::filesystem::create_directories(path_);
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::path(const std::string& name) const {
  return name.empty() ? path_.string() : (path_ / name).string();
}

void TempDir::add_image(const std::string& name, int value) const {
  Image image = pattern(6, 8, 1, 8);
  for (auto& sample : image.samples) sample = static_cast<std::uint16_t>((sample + value) % 256);
  std::filesystem::create_directories((path_ / name).parent_path());
  write_png(path(name), image);
}

}  // namespace lamella::fixtures
